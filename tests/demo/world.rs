//! The stage: a repository on the simulated GitHub, a merged pull request, and reviewers with a script.

use simulated_github::{
    Environment,
    ReviewState::{Approved, Rejected},
    Reviewer, Run, World,
};

use crate::{
    options::{Haste, Options},
    survey::Survey,
};

/// The token of the simulated job.
pub const TOKEN: &str = "ghs_0123456789abcdefABCDEF0123456789abcd";

/// Atmos lists what the demo's pull request affects so:
/// `atmos describe affected --include-dependents --include-settings`.
const AFFECTED: &str = include_str!("affected.json");

/// The workflow that applies one component, as Atmos Pro publishes it: its title shows the deployment's id.
const APPLY: &str = "
name: Atmos Terraform Apply
run-name: apply ${{ inputs.component }} in ${{ inputs.stack }} | ${{ inputs.atmos_pro_run_id }}
on:
  workflow_dispatch:
    inputs:
      component: {type: string, required: true}
      stack: {type: string, required: true}
      github_environment: {type: string, required: true}
      sha: {type: string}
      atmos_pro_run_id: {type: string}
jobs:
  apply:
    runs-on: ubuntu-latest
    environment: ${{ inputs.github_environment }}
    steps:
      - name: atmos terraform apply
        run: atmos terraform apply ${{ inputs.component }} -s ${{ inputs.stack }}
";

/// Everything there is before the action starts.
pub struct Scene {
    pub world: World,
    /// The pull request.
    pub number: u64,
    pub event_name: &'static str,
    pub event: Vec<u8>,
    /// The list of affected components: its file's name, and what is in it.
    pub affected: Option<(&'static str, Vec<u8>)>,
    pub config: Option<Vec<u8>>,
    /// The components the list names, where that can be told.
    pub components: Vec<String>,
}

/// The demo's own story: `acme/infra` widens its network, in staging and in production.
pub fn acme(options: &Options) -> Scene {
    let number = 128;
    let mut world = World::with_clock("acme", "infra", options.clock());
    world.workflow("atmos-terraform-apply.yaml", APPLY);
    world.environment(Environment::named("staging"));
    world.environment(reviewed("production"));
    world.open_pull_request(number, "Room for a third zone, and a larger database", "octocat");
    world.merge(number, "lena");
    cast(&mut world, options);
    script(&mut world, options);
    let survey = Survey::of(Some(AFFECTED), None, &[]);
    Scene {
        number,
        event_name: "pull_request",
        event: world.pull_request_closed(number).to_string().into_bytes(),
        affected: Some(("affected.json", AFFECTED.into())),
        config: None,
        components: survey.components.into_iter().collect(),
        world,
    }
}

/// An environment that needs an approval.
pub fn reviewed(name: &str) -> Environment {
    Environment::named(name).reviewed_by(&["mona", "team:platform"])
}

/// How long runs take, and who approves them when, where no line of a script says otherwise.
pub fn cast(world: &mut World, options: &Options) {
    let haste = options.haste();
    world.tokens.insert(TOKEN.to_owned());
    world.pace.queued = haste.ms(250);
    for (remainder, takes, after) in [(0, 1200, 1000), (1, 1800, 1500), (2, 1500, 2200)] {
        let runs = world.when(move |run| run.number % 3 == remainder).takes(haste.ms(takes));
        if options.serve.is_none() {
            runs.reviewed(haste.ms(after), Approved, "mona", "looks good");
        }
    }
}

/// What is said and done in the demo's own story.
fn script(world: &mut World, options: &Options) {
    let haste = options.haste();
    for (component, takes) in [("vpc", 1600), ("eks/cluster", 2600), ("database", 2000), ("api", 1300)] {
        world.when(is(component)).takes(haste.ms(takes));
    }
    if options.serve.is_some() {
        return;
    }
    for (component, after, who, words) in [
        ("vpc", 2200, "mona", "the plan only adds subnets"),
        ("eks/cluster", 1500, "mona", "two more nodes, as agreed"),
        ("database", 12500, "kit", "the nightly backup has finished now"),
        ("api", 1800, "mona", ""),
    ] {
        world.when(is(component)).reviewed(haste.ms(after), Approved, who, words);
    }
}

/// Whether a run is about a component, whatever the input is called.
fn is(component: &str) -> impl Fn(&Run) -> bool + Send + 'static {
    let component = component.to_owned();
    move |run| run.inputs.0.values().any(|value| *value == component)
}

impl Scene {
    /// Somebody will reject this component.
    pub fn reject(&mut self, component: &str, haste: Haste) -> Result<(), String> {
        if !self.components.is_empty() && !self.components.iter().any(|known| known == component) {
            let known = self.components.join(", ");
            return Err(format!("--reject: the list has no component `{component}`; it has {known}"));
        }
        let words = "not before the weekend";
        self.world.when(is(component)).reviewed(haste.ms(1500), Rejected, "mona", words);
        Ok(())
    }

    /// What a spectator should know beforehand.
    pub fn introduction(&self) -> Vec<String> {
        let World { environments, workflows, pulls, .. } = &self.world;
        let mut lines = vec![format!("repository    {}", self.world.full_name())];
        lines.extend(environments.iter().map(|environment| {
            let rule = rule(environment);
            format!("environment   {}: {rule}", environment.name)
        }));
        let files = workflows.iter().filter_map(|workflow| workflow.path.rsplit('/').next());
        lines.extend(files.map(|file| format!("workflow      {file}")));
        if let Some(pull) = pulls.get(&self.number) {
            let what = match (&pull.merged, pull.closed) {
                (Some(merge), _) => format!("merged by {}", merge.by.login),
                (None, Some(_)) => "closed without a merge".to_owned(),
                (None, None) => "open".to_owned(),
            };
            lines.push(format!("pull request  #{} “{}” by {}, {what}", pull.number, pull.title, pull.author.login));
        }
        lines
    }
}

/// What an environment asks of a run.
pub fn rule(environment: &Environment) -> String {
    match environment.reviewers.as_slice() {
        [] => "open to every run".to_owned(),
        some => format!("a run waits here until it is approved by {}", names(some)),
    }
}

/// `mona or team platform`
pub fn names(reviewers: &[Reviewer]) -> String {
    let names: Vec<String> = reviewers
        .iter()
        .map(|reviewer| match reviewer {
            Reviewer::User(user) => user.login.clone(),
            Reviewer::Team(slug) => format!("team {slug}"),
        })
        .collect();
    names.join(" or ")
}

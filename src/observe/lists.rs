//! The lists of runs, and single runs: asked for conditionally, so that an answer that GitHub repeats costs
//! nothing.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use crate::{
    github::{Fresh, Github, Trouble},
    identity,
    run::{RunFacts, Time},
};

/// Pages of a list that are read at most: GitHub's lists are not meant for more.
const MOST_PAGES: u32 = 20;

/// What was last answered.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pages: HashMap<(Option<String>, u32), Page>,
    singles: HashMap<u64, (String, RunFacts)>,
    /// Workflows whose own list GitHub denies: their file is gone, their runs are not.
    gone: HashSet<String>,
}

#[derive(Debug)]
struct Page {
    etag: Option<String>,
    runs: Vec<RunFacts>,
    more: bool,
}

/// How much of a workflow's list is of use.
#[derive(Debug)]
pub(super) struct Reach {
    /// No run that is looked for can be older.
    pub since: Time,
    /// The runs that are followed.
    pub open: HashSet<u64>,
    /// Runs are looked for by their titles too, so all since that moment are of use.
    pub all: bool,
}

/// The runs a look found.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub by_id: HashMap<u64, RunFacts>,
    pub by_name: HashMap<String, Vec<RunFacts>>,
    /// Workflows whose list was read back to before the rollout.
    pub complete: HashSet<String>,
}

impl Lists {
    /// Reads the lists of several workflows, each as far as it is of use.
    pub async fn read_all(&mut self, github: &Github, reaches: HashMap<String, Reach>) -> Result<Seen, Trouble> {
        let mut seen = Seen::default();
        for (workflow, reach) in reaches {
            self.read(github, &workflow, reach, &mut seen).await?;
        }
        Ok(seen)
    }

    /// Reads a workflow's list as far as it is of use. Few runs that are far down are cheaper asked for one by
    /// one: their answers stay the same while the list's pages change with every new run.
    async fn read(
        &mut self,
        github: &Github,
        workflow: &str,
        mut reach: Reach,
        seen: &mut Seen,
    ) -> Result<(), Trouble> {
        for page in 1..=MOST_PAGES {
            let Some(read) = self.page(github, workflow, page).await? else {
                return Ok(());
            };
            for run in &read.runs {
                reach.open.remove(&run.id);
                for word in identity::ids_in(&run.title) {
                    seen.by_name.entry(word.to_owned()).or_default().push(run.clone());
                }
                seen.by_id.insert(run.id, run.clone());
            }
            // The last one, not the least: a page that came in another order must not look like the end.
            let oldest = read.runs.last().map(|run| run.created_at);
            // Clocks differ: a few minutes more are read than should be needed.
            let back_enough = oldest.is_none_or(|oldest| oldest < reach.since - TimeDelta::minutes(5));
            if back_enough || !read.more {
                seen.complete.insert(workflow.to_owned());
                break;
            }
            if !reach.all && reach.open.len() <= page as usize {
                break;
            }
        }
        Ok(())
    }

    /// One page, new or as it was.
    async fn page(&mut self, github: &Github, workflow: &str, page: u32) -> Result<Option<&Page>, Trouble> {
        let mut own = (!self.gone.contains(workflow)).then_some(workflow);
        loop {
            let key = (own.map(str::to_owned), page);
            let etag = self.pages.get(&key).and_then(|known| known.etag.clone());
            match github.runs(own, page, etag.as_deref()).await {
                Ok(Fresh::Same) => {}
                Ok(Fresh::New { etag, value: (runs, more) }) => {
                    self.pages.insert(key.clone(), Page { etag, runs, more });
                }
                Err(Trouble::NotFound { .. }) if own.is_some() => {
                    self.gone.insert(workflow.to_owned());
                    own = None;
                    continue;
                }
                Err(trouble) => return Err(trouble),
            }
            return Ok(self.pages.get(&key));
        }
    }

    /// One run, new or as it was.
    pub async fn run(&mut self, github: &Github, id: u64) -> Result<RunFacts, Trouble> {
        let known = self.singles.get(&id);
        match (github.run_unless(id, known.map(|(etag, _)| etag.as_str())).await?, known) {
            (Fresh::Same, Some((_, facts))) => Ok(facts.clone()),
            // Out of turn: nothing was known.
            (Fresh::Same, None) => github.run(id).await,
            (Fresh::New { etag, value }, _) => {
                if let Some(etag) = etag {
                    self.singles.insert(id, (etag, value.clone()));
                }
                Ok(value)
            }
        }
    }
}

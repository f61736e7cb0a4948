//! The terminal: what happens, line by line, and the comment each time it looks different.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, IsTerminal, Write},
    time::Instant,
};

use simulated_github::Github;

use crate::{
    markdown::{self, Line},
    options::Options,
    runner::{Ended, Runner},
    witness::Happening,
};

/// Everything below a time stands so far to the right.
const MARGIN: &str = "         ";

/// How much of the job summary is shown.
const SUMMARY_LINES: usize = 2;

/// A terminal, or a file.
pub struct Screen {
    colour: bool,
    began: Instant,
    /// The comment as it was shown last.
    page: Vec<Line>,
    frames: usize,
    source: String,
}

/// SGR codes.
#[derive(Clone, Copy)]
enum Ink {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Screen {
    /// Standard output, in colour if it is a terminal and nobody minds.
    pub fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: io::stdout().is_terminal() && !plain,
            began: Instant::now(),
            page: Vec::new(),
            frames: 0,
            source: String::new(),
        }
    }

    /// A spectator who has left (a closed pipe) is no reason to stop.
    fn line(&self, ink: Ink, text: &str) {
        let code = match ink {
            _ if !self.colour || text.is_empty() => "",
            Ink::Plain => "",
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "31",
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Cyan => "36",
        };
        let line = if code.is_empty() { format!("{text}\n") } else { format!("\x1b[{code}m{text}\x1b[0m\n") };
        drop(io::stdout().write_all(line.as_bytes()));
    }

    /// Something beside the story.
    pub fn note(&self, text: &str) {
        self.line(Ink::Dim, text);
    }

    fn heading(&self, text: &str) {
        self.line(Ink::Plain, "");
        self.line(Ink::Bold, text);
    }

    /// The stage, before the action starts.
    pub fn introduce(&mut self, api: &str, lines: &[String]) {
        self.heading(&format!("A simulated GitHub listens at {api}"));
        for line in lines {
            self.line(Ink::Plain, &format!("  {line}"));
        }
        self.heading("The action starts");
        self.began = Instant::now();
    }

    /// Tells one thing that happened.
    pub fn tell(&mut self, happening: &Happening) {
        let time = format!("{:>6.1} s ", self.began.elapsed().as_secs_f32());
        match happening {
            Happening::Person(text) => self.line(Ink::Cyan, &format!("{time}☻ {text}")),
            Happening::Github(text) => self.line(Ink::Dim, &format!("{time}· {text}")),
            Happening::Comment(markdown) => {
                let page = markdown::read(markdown);
                if page != self.page {
                    self.frame(&time, &page);
                    self.frames += 1;
                    self.page = page;
                }
                self.source.clone_from(markdown);
            }
        }
    }

    /// The comment: all of it the first time, later what changed.
    fn frame(&self, time: &str, page: &[Line]) {
        let mut before: Vec<&Line> = self.page.iter().collect();
        let mut same = 0;
        let rows = rows(page);
        self.line(Ink::Plain, "");
        for (index, line) in page.iter().enumerate() {
            let known = before.iter().position(|known| *known == line);
            if let Some(place) = known {
                before.swap_remove(place);
            }
            match line {
                Line::Heading(text) if index == 0 => self.line(Ink::Bold, &format!("{time}▌ {text}")),
                Line::Item(_) | Line::Row(_) if known.is_some() => same += 1,
                _ if known.is_some() => {}
                _ => self.page_line(&format!("{MARGIN}▌ "), line, rows.get(index)),
            }
        }
        if same > 0 {
            let lines = if same == 1 { "1 line is" } else { &format!("{same} lines are") };
            self.line(Ink::Dim, &format!("{MARGIN}▌ {lines} as before"));
        }
    }

    fn page_line(&self, margin: &str, line: &Line, row: Option<&String>) {
        let row = row.map_or("", String::as_str);
        match line {
            Line::Heading(text) => self.line(Ink::Bold, &format!("{margin}{text}")),
            Line::Item(text) => self.line(ink(text), &format!("{margin}• {text}")),
            Line::Columns(_) => self.line(Ink::Dim, &format!("{margin}{row}")),
            Line::Row(_) => self.line(ink(row), &format!("{margin}{row}")),
            Line::Fold(text) => self.line(Ink::Dim, &format!("{margin}▸ {text}")),
            Line::Text(text) => self.line(Ink::Dim, &format!("{margin}{text}")),
        }
    }

    fn whole(&self, margin: &str, page: &[Line]) {
        for (line, row) in page.iter().zip(&rows(page)) {
            self.page_line(margin, line, Some(row));
        }
    }

    /// How it ended, and what it left behind.
    pub fn finish(&self, ended: &Ended, github: &Github, options: &Options, runner: &Runner) {
        if self.frames > 1 {
            self.heading("The comment as it stays");
            self.whole("  ", &self.page);
        }
        let ink = if ended.code == 0 { Ink::Green } else { Ink::Red };
        self.line(Ink::Plain, "");
        self.line(
            ink,
            &format!("The step ends after {:.1} s with exit status {}", ended.after.as_secs_f32(), ended.code),
        );
        self.outputs(runner);
        self.requests(github);
        let summary = runner.read("summary.md");
        self.heading("The job summary");
        let page = markdown::read(&summary);
        let shown = if options.dry_run { page.as_slice() } else { page.get(..SUMMARY_LINES).unwrap_or(&page) };
        self.whole("  ", shown);
        if let Some(more) = page.len().checked_sub(shown.len()).filter(|more| *more > 0) {
            self.note(&format!("  … and {more} more lines"));
        }
        let log = runner.read("log.txt");
        if options.log || options.dry_run || (ended.code != 0 && self.frames == 0) {
            self.heading("The action's log");
            log.lines().for_each(|line| self.line(ink_of_log(line), &format!("  {line}")));
        }
        self.rejection(github, options);
        self.left_behind(runner);
    }

    fn outputs(&self, runner: &Runner) {
        let value = |name: &str| runner.output(name).unwrap_or_else(|| "(not set)".to_owned());
        let counts: Vec<String> = ["succeeded", "failed", "rejected", "cancelled", "skipped", "pending"]
            .into_iter()
            .map(|name| format!("{name} {}", value(name)))
            .collect();
        self.line(Ink::Plain, &format!("  result    {}", value("result")));
        self.line(Ink::Plain, &format!("  counts    {}", counts.join(", ")));
        if let Some(url) = runner.output("comment-url").filter(|url| !url.is_empty()) {
            self.line(Ink::Plain, &format!("  comment   {url} (it exists in this demo alone)"));
        }
    }

    fn requests(&self, github: &Github) {
        github.world(|world| {
            let (mut counted, mut free) = (0, 0);
            for count in world.limits.request_counts().values() {
                counted += count.counted;
                free += count.free;
            }
            let (limit, dispatches) = (world.limits.limit, world.dispatches().len());
            self.line(
                Ink::Plain,
                &format!("  requests  {counted} of the {limit} an hour, {dispatches} of them dispatches; {free} more were free"),
            );
            for violation in &world.violations {
                self.line(Ink::Red, &format!("  It should never have asked for this: {violation}"));
            }
        });
    }

    /// A rejection that was asked for, and never came to be.
    fn rejection(&self, github: &Github, options: &Options) {
        let Some(component) = options.reject.as_ref().filter(|_| !options.dry_run) else { return };
        let rejected = github.world(|world| {
            let mut reviews = world.runs.values().flat_map(|run| &run.reviews);
            reviews.any(|review| review.state == simulated_github::ReviewState::Rejected)
        });
        if !rejected {
            self.heading(&format!("Nothing of `{component}` waited for an approval, so nobody could reject it"));
        }
    }

    fn left_behind(&self, runner: &Runner) {
        let mut files = BTreeSet::from(["event.json", "log.txt", "output.txt", "summary.md"]);
        if !self.source.is_empty() && fs::write(runner.path("comment.md"), &self.source).is_ok() {
            files.insert("comment.md");
        }
        let files: Vec<&str> = files.into_iter().collect();
        self.line(Ink::Plain, "");
        self.note(&format!("All files of this run ({}) are in {}", files.join(", "), runner.path("").display()));
    }
}

/// A status is told by its sign and its word; the colour only helps.
fn ink(text: &str) -> Ink {
    let has = |signs: &str| text.contains(|letter: char| signs.contains(letter));
    match text {
        _ if has("❌⛔⌛❓") => Ink::Red,
        _ if has("✋⚠") => Ink::Yellow,
        _ if has("✅") => Ink::Green,
        _ => Ink::Plain,
    }
}

fn ink_of_log(line: &str) -> Ink {
    match line {
        _ if line.starts_with("::error") => Ink::Red,
        _ if line.starts_with("::warning") => Ink::Yellow,
        _ => Ink::Plain,
    }
}

/// Each line of a page, where it is a row of a table: its cells, below those of its table's other rows.
fn rows(page: &[Line]) -> Vec<String> {
    let cells = |line: &Line| match line {
        Line::Columns(cells) | Line::Row(cells) => Some(cells.clone()),
        _ => None,
    };
    let lines: Vec<Option<Vec<String>>> = page.iter().map(cells).collect();
    let tables = lines.chunk_by(|one, next| one.is_some() == next.is_some());
    tables.flat_map(aligned).collect()
}

fn aligned(table: &[Option<Vec<String>>]) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for cells in table.iter().flatten() {
        widths.resize(cells.len().max(widths.len()), 0);
        for (widest, cell) in widths.iter_mut().zip(cells) {
            *widest = markdown::width(cell).max(*widest);
        }
    }
    let pad = |(cell, width): (&String, &usize)| format!("{cell}{}", " ".repeat(width - markdown::width(cell)));
    let row = |cells: &Vec<String>| cells.iter().zip(&widths).map(pad).collect::<Vec<_>>().join("  ");
    table.iter().map(|cells| cells.as_ref().map_or_else(String::new, row).trim_end().to_owned()).collect()
}

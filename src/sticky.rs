//! The one comment: found by its first line and its author, written only when what it says changes.
//!
//! Until this process holds the rollout, it gives way: what it writes replaces only what it has read. So
//! neither a preview nor a refusal nor a second starter can overwrite a live state, however late it comes.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    github::{Comment, Github, Trouble, Viewer},
    ordered::Ordered,
    report::comment,
    state::{self, Record, Unreadable},
};

/// The comment of one pull request and `comment-key`, there or not yet.
#[derive(Debug)]
pub struct Sticky {
    github: Github,
    pull_request: u64,
    key: String,
    viewer: Viewer,
    comment: Option<Comment>,
    /// This process holds the rollout: nobody else should write.
    held: Option<Held>,
    /// When a write was last not answered. It may take effect after those that were: a copy that lists did not show, or
    /// an older text.
    doubtful: Option<Instant>,
}

/// How often a comment that was there is looked for before it is believed to be gone.
const DENIALS: u32 = 3;

/// That a process holds the rollout.
#[derive(Debug)]
struct Held {
    /// Its nonce.
    nonce: String,
    /// When the comment was last read to say so.
    since: Instant,
}

/// Whose the rollout is, by its comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// This process's.
    Ours,
    /// Another process took it.
    Others,
    /// The comment was deleted.
    Gone,
}

/// What a comment of ours remembers.
#[derive(Debug)]
pub enum Found {
    /// There is no comment.
    Nothing,
    /// There is one, and its state is of no use.
    Unreadable(Unreadable),
    /// There is one with a state, which is still to be checked.
    Record(Box<Record>),
}

impl Sticky {
    /// Looks for the comment.
    pub async fn open(github: &Github, pull_request: u64, key: &str) -> Result<(Self, Found), Trouble> {
        let (viewer, comments) = futures_util::future::try_join(github.viewer(), github.comments(pull_request)).await?;
        let github = github.clone();
        let mut sticky =
            Self { github, pull_request, key: key.to_owned(), viewer, comment: None, held: None, doubtful: None };
        sticky.comment = sticky.oldest(comments);
        let found = match &sticky.comment {
            None => Found::Nothing,
            Some(comment) => read(&comment.body),
        };
        Ok((sticky, found))
    }

    /// Comments of ours, the oldest first, which counts: the others are copies that lost. Others with our marker
    /// are somebody else's.
    fn ours(&self, comments: Vec<Comment>) -> impl Iterator<Item = Comment> {
        comments
            .into_iter()
            .filter(|comment| comment.author.is(&self.viewer) && comment::is_ours(&comment.body, &self.key))
    }

    /// The oldest comment of ours.
    fn oldest(&self, comments: Vec<Comment>) -> Option<Comment> {
        self.ours(comments).next()
    }

    /// The comment's id and page.
    pub fn place(&self) -> Option<(u64, &str)> {
        self.comment.as_ref().map(|comment| (comment.id, comment.url.as_str()))
    }

    /// How long it may still take until every write has taken effect, if one was not answered.
    pub fn doubtful(&self) -> Option<Duration> {
        self.doubtful.map(|since| self.github.tempo().late.saturating_sub(since.elapsed()))
    }

    /// With another patience, for the last words.
    pub fn set_github(&mut self, github: &Github) {
        self.github = github.clone();
    }

    /// Reads the comment again.
    pub async fn reread(&mut self) -> Result<Found, Trouble> {
        let known = match &self.comment {
            Some(known) => self.github.comment(known.id).await,
            None => Err(Trouble::NotFound { what: "the comment".to_owned() }),
        };
        match known {
            Ok(comment) => {
                let found = read(&comment.body);
                self.comment = Some(comment);
                Ok(found)
            }
            Err(Trouble::NotFound { .. }) => {
                let comments = self.github.comments(self.pull_request).await?;
                self.comment = self.oldest(comments);
                Ok(self.comment.as_ref().map_or(Found::Nothing, |comment| read(&comment.body)))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Whose the oldest comment of ours says the rollout is. Where there is none any more, the next write makes
    /// one.
    pub async fn holding(&mut self, nonce: &str) -> Result<Holding, Trouble> {
        let names = |body: &str| names(&read(body), nonce);
        let settled = self.doubtful() == Some(Duration::ZERO);
        let comments = self.github.comments(self.pull_request).await?;
        let mut ours = self.ours(comments);
        let Some(mut oldest) = ours.next().or_else(|| self.comment.clone()) else {
            return Ok(Holding::Gone);
        };
        let own = self.comment.as_ref().map(|own| own.id).filter(|own| *own != oldest.id);
        let mut copies: Vec<u64> = ours.map(|copy| copy.id).collect();
        if let Some(own) = own.filter(|own| !copies.contains(own)) {
            copies.push(own);
        }
        if !names(&oldest.body) || !copies.is_empty() {
            // A list may be old: before it is believed that the comment is gone, another's or not the only one, it is
            // asked for itself.
            oldest = match self.github.comment(oldest.id).await {
                Ok(comment) => comment,
                Err(Trouble::NotFound { .. }) => {
                    self.comment = None;
                    return Ok(Holding::Gone);
                }
                Err(trouble) => return Err(trouble),
            };
        }
        if !names(&oldest.body) {
            if let Found::Unreadable(Unreadable::Damaged(_)) = read(&oldest.body) {
                // People edited it: what it said is written anew.
                self.comment = Some(oldest);
                return Ok(Holding::Gone);
            }
            return Ok(Holding::Others);
        }
        for copy in copies {
            // Of a try that was not answered, or of one that lost and was killed before it could withdraw.
            self.github.delete_comment(copy).await?;
        }
        self.comment = Some(oldest);
        if let Some(held) = &mut self.held {
            held.since = Instant::now();
        }
        if settled {
            self.doubtful = None;
        }
        Ok(Holding::Ours)
    }

    /// Whether it must be read that this process holds the rollout before it writes. GitHub may have said that its
    /// attempt ended though it lives on, as of a runner that was out of reach: then another took over.
    fn unsure(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.since.elapsed() >= self.github.tempo().sure)
    }

    /// Whether this process may still write: it holds the rollout, or nobody wrote since the comment was read.
    async fn allowed(&self) -> Result<(), Trouble> {
        let Some(known) = self.comment.as_ref().filter(|_| self.held.is_none() || self.unsure()) else {
            return Ok(());
        };
        let comment = match self.github.comment(known.id).await {
            Err(Trouble::NotFound { .. }) if self.held.is_none() => return Err(Trouble::Overtaken),
            other => other?,
        };
        let stands = match &self.held {
            None => comment.body == known.body,
            Some(held) => match read(&comment.body) {
                Found::Unreadable(Unreadable::Damaged(_)) => true,
                found => names(&found, &held.nonce),
            },
        };
        if stands { Ok(()) } else { Err(Trouble::Overtaken) }
    }

    /// Makes the comment say `body`. Tells whether it does; if not, somebody was quicker, or deleted it.
    pub async fn write(&mut self, body: &str) -> Result<bool, Trouble> {
        let mut denials = 0;
        loop {
            match self.write_once(body).await {
                Err(Trouble::NotFound { .. }) if self.held.is_some() => {}
                other => return other,
            }
            // A comment that a list still shows may be denied for a moment; one that it does not was deleted.
            let known = self.place().map(|(id, _)| id);
            let listed = self.ours(self.github.comments(self.pull_request).await?).any(|one| Some(one.id) == known);
            if !listed || denials >= DENIALS {
                tracing::warn!("the comment was deleted; writing a new one");
                self.comment = None;
                return self.create(body).await.map(|()| true);
            }
            self.github.back_off(denials).await?;
            denials += 1;
        }
    }

    async fn write_once(&mut self, body: &str) -> Result<bool, Trouble> {
        let Some(known) = &self.comment else {
            return self.create(body).await.map(|()| true);
        };
        if known.body == body {
            return Ok(true);
        }
        let looks = self.unsure();
        match self.github.update_comment(known.id, body, async || self.allowed().await).await {
            Ok(false) => {}
            Ok(true) => self.doubtful = Some(Instant::now()),
            Err(trouble @ Trouble::NotFound { .. }) if self.held.is_some() => return Err(trouble),
            Err(Trouble::NotFound { .. }) => return Ok(false),
            // It may be this very text that is there now, from a try that was not answered.
            Err(Trouble::Overtaken) if self.says(known.id, body).await? => {}
            Err(Trouble::Overtaken) => return Ok(false),
            Err(trouble) => {
                self.doubtful = Some(Instant::now());
                return Err(trouble);
            }
        }
        if let Some(comment) = &mut self.comment {
            body.clone_into(&mut comment.body);
        }
        if let Some(held) = self.held.as_mut().filter(|_| looks) {
            held.since = Instant::now();
        }
        Ok(true)
    }

    /// Whether a comment holds the state that is in `body`.
    async fn says(&self, id: u64, body: &str) -> Result<bool, Trouble> {
        match self.github.comment(id).await {
            Ok(comment) => Ok(comment::state_in(&comment.body) == comment::state_in(body)),
            Err(Trouble::NotFound { .. }) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Creates the comment. When the answer is missing it is looked for, so that there are never two.
    async fn create(&mut self, body: &str) -> Result<(), Trouble> {
        for tries in 0.. {
            match self.github.create_comment(self.pull_request, body).await {
                Ok(mut comment) => {
                    body.clone_into(&mut comment.body);
                    self.comment = Some(comment);
                    return Ok(());
                }
                Err(Trouble::Unanswered { .. }) => {
                    self.doubtful = Some(Instant::now());
                    let comments = self.github.comments(self.pull_request).await?;
                    let written = comment::state_in(body);
                    let same = |comment: &Comment| comment::state_in(&comment.body) == written;
                    let own = self.ours(comments).find(same);
                    if let Some(mut comment) = own {
                        body.clone_into(&mut comment.body);
                        self.comment = Some(comment);
                        return Ok(());
                    }
                    self.github.back_off(tries).await?;
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    /// Takes the rollout by writing `body`, which names this process, and tells whether that stands.
    ///
    /// GitHub has no compare-and-swap, so it is done as Fischer does it: look that nobody was quicker, write at once
    /// or look again, wait for as long as another one's write may take, and look what stands. Who comes later than
    /// that sees it at the first look.
    pub async fn take(&mut self, body: &str, nonce: &str) -> Result<bool, Trouble> {
        let mut tries = 0;
        while let Some(known) = &self.comment {
            match self.github.update_comment_once(known.id, body, async || self.allowed().await).await {
                Ok(()) => break,
                Err(Trouble::Unanswered { .. }) => self.doubtful = Some(Instant::now()),
                // It may be this very text that is there now, from a try that was not answered.
                Err(Trouble::Overtaken) if self.says(known.id, body).await? => break,
                Err(Trouble::Overtaken | Trouble::NotFound { .. }) => return Ok(false),
                Err(trouble) => return Err(trouble),
            }
            self.github.back_off(tries).await?;
            tries += 1;
        }
        match &mut self.comment {
            Some(comment) => body.clone_into(&mut comment.body),
            None => self.create(body).await?,
        }
        self.github.wait(self.github.tempo().settle).await?;
        self.stands(nonce).await
    }

    /// After creating or taking: whether the oldest comment of ours names this process, which holds the rollout
    /// from then on.
    pub async fn stands(&mut self, nonce: &str) -> Result<bool, Trouble> {
        let mut holding = self.holding(nonce).await?;
        for denials in 0..DENIALS {
            if holding != Holding::Gone {
                break;
            }
            // It was written a moment ago: it is late rather than gone.
            self.github.back_off(denials).await?;
            holding = self.holding(nonce).await?;
        }
        self.held = (holding == Holding::Ours).then(|| Held { nonce: nonce.to_owned(), since: Instant::now() });
        if self.held.is_none() {
            self.withdraw().await?;
        }
        Ok(self.held.is_some())
    }

    /// After creating: whether there is no older comment of ours. A list that shows none is an old one.
    pub async fn is_first(&mut self) -> Result<bool, Trouble> {
        let own = self.comment.as_ref().map(|comment| comment.id);
        self.withdraw().await?;
        Ok(own == self.comment.as_ref().map(|comment| comment.id))
    }

    /// Deletes what this process wrote if it is not the oldest of ours: copies that lost. There are several where a
    /// creation was not answered.
    async fn withdraw(&mut self) -> Result<(), Trouble> {
        if let Some(late) = self.doubtful() {
            self.github.wait(late).await?;
        }
        let Some(own) = self.comment.clone() else {
            return Ok(());
        };
        let mut ours = self.ours(self.github.comments(self.pull_request).await?);
        let Some(oldest) = ours.next() else {
            return Ok(());
        };
        let written = comment::state_in(&own.body);
        let same = ours.filter(|copy| written.is_some() && comment::state_in(&copy.body) == written);
        let mut copies: BTreeSet<u64> = same.map(|copy| copy.id).ordered();
        if own.id != oldest.id {
            copies.insert(own.id);
            self.comment = Some(oldest);
        }
        for copy in copies {
            self.github.delete_comment(copy).await?;
        }
        Ok(())
    }
}

/// The record in a comment.
///
/// # Errors
/// There is none that can be read.
pub fn remembered(body: &str) -> Result<Record, Unreadable> {
    let none = || Unreadable::Damaged("it holds no state".to_owned());
    state::decode(comment::state_in(body).ok_or_else(none)?)
}

/// Whether a state says that this process holds the rollout.
fn names(found: &Found, nonce: &str) -> bool {
    matches!(found, Found::Record(record) if record.hand.nonce == nonce)
}

fn read(body: &str) -> Found {
    match remembered(body) {
        Ok(record) => Found::Record(Box::new(record)),
        Err(unreadable) => Found::Unreadable(unreadable),
    }
}

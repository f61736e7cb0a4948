//! The one comment: found by its first line and its author, written only when what it says changes.
//!
//! Until this process holds the rollout, it gives way: what it writes replaces only what it has read. So
//! neither a preview nor a refusal nor a second starter can overwrite a live state, however late it comes.

use crate::{
    github::{Comment, Github, Trouble, Viewer},
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
    /// This process holds the rollout: nobody else writes.
    held: bool,
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
        let mut sticky = Self { github, pull_request, key: key.to_owned(), viewer, comment: None, held: false };
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
        let names = |body: &str| matches!(read(body), Found::Record(record) if record.hand.nonce == nonce);
        let comments = self.github.comments(self.pull_request).await?;
        let mut ours = self.ours(comments);
        let Some(mut oldest) = ours.next().or_else(|| self.comment.clone()) else {
            return Ok(Holding::Gone);
        };
        let copies: Vec<u64> = ours.map(|copy| copy.id).collect();
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
            return Ok(Holding::Others);
        }
        for copy in copies {
            // Of a try that was not answered, or of one that lost and was killed before it could withdraw.
            self.github.delete_comment(copy).await?;
        }
        self.comment = Some(oldest);
        Ok(Holding::Ours)
    }

    /// Whether this process may still write: it holds the rollout, or nobody wrote since the comment was read.
    async fn allowed(&self) -> Result<(), Trouble> {
        let Some(known) = self.comment.as_ref().filter(|_| !self.held) else {
            return Ok(());
        };
        match self.github.comment(known.id).await {
            Ok(comment) if comment.body == known.body => Ok(()),
            Ok(_) | Err(Trouble::NotFound { .. }) => Err(Trouble::Overtaken),
            Err(trouble) => Err(trouble),
        }
    }

    /// Makes the comment say `body`. Tells whether it does; if not, somebody was quicker, or deleted it.
    pub async fn write(&mut self, body: &str) -> Result<bool, Trouble> {
        let Some(known) = &self.comment else {
            return self.create(body).await.map(|()| true);
        };
        if known.body == body {
            return Ok(true);
        }
        match self.github.update_comment(known.id, body, async || self.allowed().await).await {
            Ok(()) => {}
            Err(Trouble::NotFound { .. }) if self.held => {
                tracing::warn!("the comment was deleted; writing a new one");
                self.comment = None;
                return self.create(body).await.map(|()| true);
            }
            Err(Trouble::NotFound { .. }) => return Ok(false),
            // It may be this very text that is there now, from a try that was not answered.
            Err(Trouble::Overtaken) if self.says(known.id, body).await? => {}
            Err(Trouble::Overtaken) => return Ok(false),
            Err(trouble) => return Err(trouble),
        }
        if let Some(comment) = &mut self.comment {
            body.clone_into(&mut comment.body);
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
                    let comments = self.github.comments(self.pull_request).await?;
                    let written = comment::state_in(body);
                    if let Some(mut comment) =
                        self.oldest(comments).filter(|comment| comment::state_in(&comment.body) == written)
                    {
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
                Err(Trouble::Unanswered { .. }) => {}
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
        self.github.settle().await?;
        self.stands(nonce).await
    }

    /// After creating or taking: whether the oldest comment of ours names this process, which holds the rollout
    /// from then on.
    pub async fn stands(&mut self, nonce: &str) -> Result<bool, Trouble> {
        let own = self.comment.as_ref().map(|comment| comment.id);
        self.held = self.holding(nonce).await? == Holding::Ours;
        if !self.held {
            self.withdraw().await?;
        } else if let Some(copy) = own.filter(|own| self.place().is_some_and(|(id, _)| id != *own)) {
            // A try that was not answered did create one, and a list that was old did not show it.
            self.github.delete_comment(copy).await?;
        }
        Ok(self.held)
    }

    /// After creating: whether there is no older comment of ours. A list that shows none is an old one.
    pub async fn is_first(&mut self) -> Result<bool, Trouble> {
        let own = self.comment.as_ref().map(|comment| comment.id);
        self.withdraw().await?;
        Ok(own == self.comment.as_ref().map(|comment| comment.id))
    }

    /// Deletes the comment if it is not the oldest of ours: it is a copy that lost.
    async fn withdraw(&mut self) -> Result<(), Trouble> {
        let oldest = self.oldest(self.github.comments(self.pull_request).await?);
        if let (Some(copy), Some(oldest)) = (&self.comment, &oldest)
            && copy.id != oldest.id
        {
            self.github.delete_comment(copy.id).await?;
            self.comment = Some(oldest.clone());
        }
        Ok(())
    }
}

/// The record in a comment.
///
/// # Errors
/// There is none that can be read.
pub fn remembered(body: &str) -> Result<Record, Unreadable> {
    let none = || Unreadable::Damaged("its last line holds no state".to_owned());
    state::decode(comment::state_in(body).ok_or_else(none)?)
}

fn read(body: &str) -> Found {
    match remembered(body) {
        Ok(record) => Found::Record(Box::new(record)),
        Err(unreadable) => Found::Unreadable(unreadable),
    }
}

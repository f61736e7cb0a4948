//! The one comment: found by its first line and its author, written only when what it says changes.

use std::time::Duration;

use crate::{
    github::{Comment, Github, Patience, Trouble, Viewer},
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
        let mut sticky = Self { github: github.clone(), pull_request, key: key.to_owned(), viewer, comment: None };
        sticky.comment = sticky.oldest(comments);
        let found = match &sticky.comment {
            None => Found::Nothing,
            Some(comment) => read(&comment.body),
        };
        Ok((sticky, found))
    }

    /// The oldest comment of ours. Others with our marker are somebody else's, or a copy that lost.
    fn oldest(&self, comments: Vec<Comment>) -> Option<Comment> {
        comments
            .into_iter()
            .find(|comment| comment.author.is(&self.viewer) && comment::is_ours(&comment.body, &self.key))
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
        let Some(known) = &self.comment else {
            return Ok(Found::Nothing);
        };
        match self.github.comment(known.id).await {
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
        let Some(mut oldest) = self.oldest(comments).or_else(|| self.comment.clone()) else {
            return Ok(Holding::Gone);
        };
        if !names(&oldest.body) {
            // A list may be old: before it is believed that the comment is gone or another's, it is asked for itself.
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
        self.comment = Some(oldest);
        Ok(Holding::Ours)
    }

    /// Whether the comment still says what it said when it was read: somebody may have been quicker.
    pub async fn unchanged(&self) -> Result<bool, Trouble> {
        let Some(known) = &self.comment else {
            return Ok(true);
        };
        match self.github.comment(known.id).await {
            Ok(comment) => Ok(comment.body == known.body),
            Err(Trouble::NotFound { .. }) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Makes the comment say `body`.
    pub async fn write(&mut self, body: &str) -> Result<(), Trouble> {
        if let Some(comment) = &mut self.comment {
            if comment.body == body {
                return Ok(());
            }
            match self.github.update_comment(comment.id, body).await {
                Err(Trouble::NotFound { .. }) => {
                    tracing::warn!("the comment was deleted; writing a new one");
                    self.comment = None;
                }
                Ok(()) => {
                    body.clone_into(&mut comment.body);
                    return Ok(());
                }
                Err(trouble) => return Err(trouble),
            }
        }
        self.create(body).await
    }

    /// Creates the comment. When the answer is missing it is looked for, so that there are never two.
    async fn create(&mut self, body: &str) -> Result<(), Trouble> {
        loop {
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
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Takes the rollout by writing `body`, which names this process, and tells whether that stands.
    ///
    /// GitHub has no compare-and-swap, so it is done as Fischer does it: look that nobody was quicker, write at once
    /// or look again, wait for as long as another one's write may take, and look what stands. Who comes later than
    /// that sees it at the first look.
    pub async fn take(
        &mut self,
        body: &str,
        nonce: &str,
        settle: Duration,
        patience: &Patience,
    ) -> Result<bool, Trouble> {
        while let Some(known) = &self.comment {
            match self.github.comment(known.id).await {
                Ok(comment) if comment.body == body => break,
                Ok(comment) if comment.body == known.body => {}
                Ok(_) | Err(Trouble::NotFound { .. }) => return Ok(false),
                Err(trouble) => return Err(trouble),
            }
            match self.github.update_comment_at_once(known.id, body).await {
                Ok(()) => break,
                Err(Trouble::Unanswered { .. }) => {}
                Err(Trouble::NotFound { .. }) => return Ok(false),
                Err(trouble) => return Err(trouble),
            }
        }
        match &mut self.comment {
            Some(comment) => body.clone_into(&mut comment.body),
            None => self.create(body).await?,
        }
        patience.pause(settle, None).await?;
        let stands = self.holding(nonce).await? == Holding::Ours;
        if !stands {
            self.withdraw().await?;
        }
        Ok(stands)
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

fn read(body: &str) -> Found {
    let Some(packed) = comment::state_in(body) else {
        return Found::Unreadable(Unreadable::Damaged("its last line holds no state".to_owned()));
    };
    match state::decode(packed) {
        Ok(record) => Found::Record(Box::new(record)),
        Err(unreadable) => Found::Unreadable(unreadable),
    }
}

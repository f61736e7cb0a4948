//! Issue comments, and all that was ever done to them.

use crate::clock::Millis;
use crate::people::User;
use crate::world::World;

/// GitHub's limit for a comment's body, in characters.
pub const LONGEST_BODY: usize = 65_536;

/// A comment on an issue or a pull request.
#[derive(Debug, Clone)]
pub struct Comment {
    pub id: u64,
    pub issue: u64,
    pub author: User,
    pub body: String,
    pub created: Millis,
    pub updated: Millis,
}

/// One thing done to a comment.
#[derive(Debug, Clone)]
pub struct CommentChange {
    pub comment: u64,
    pub issue: u64,
    pub done: Done,
    /// As it was after (for a deletion: before) the change.
    pub body: String,
    pub by: User,
    pub at: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Created,
    Edited,
    Deleted,
}

impl World {
    /// Somebody comments on a pull request or an issue; returns the comment's id.
    pub fn comment(&mut self, issue: u64, author: impl Into<User>, body: &str) -> u64 {
        let (author, at, id) = (author.into(), self.now(), self.next_id());
        let body = body.to_owned();
        let comment = Comment { id, issue, author: author.clone(), body, created: at, updated: at };
        self.note_change(&comment, Done::Created, author);
        self.comments.push(comment);
        id
    }

    /// Somebody edits a comment (people with write access may edit anybody's); false: there is none.
    pub fn edit_comment(&mut self, id: u64, by: impl Into<User>, body: &str) -> bool {
        let at = self.now();
        let Some(comment) = self.comments.iter_mut().find(|c| c.id == id) else {
            return false;
        };
        body.clone_into(&mut comment.body);
        comment.updated = at;
        let comment = comment.clone();
        self.note_change(&comment, Done::Edited, by.into());
        true
    }

    /// Somebody deletes a comment; false: there is none.
    pub fn delete_comment(&mut self, id: u64, by: impl Into<User>) -> bool {
        let Some(at) = self.comments.iter().position(|c| c.id == id) else {
            return false;
        };
        let comment = self.comments.remove(at);
        self.note_change(&comment, Done::Deleted, by.into());
        true
    }

    /// Every version of every comment there ever was, in order.
    pub fn comment_history(&self) -> &[CommentChange] {
        &self.comment_changes
    }

    /// The oldest comment on a pull request written by the token's identity: the sticky one, if all is well.
    pub fn sticky(&self, issue: u64) -> Option<&Comment> {
        self.comments.iter().find(|c| c.issue == issue && c.author.id == self.identity.id)
    }

    /// All comments on a pull request, oldest first.
    pub fn comments_on(&self, issue: u64) -> Vec<&Comment> {
        self.comments.iter().filter(|c| c.issue == issue).collect()
    }

    fn note_change(&mut self, comment: &Comment, done: Done, by: User) {
        let Comment { id, issue, body, .. } = comment.clone();
        let at = self.now();
        self.comment_changes.push(CommentChange { comment: id, issue, done, body, by, at });
    }
}

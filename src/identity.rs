//! A deployment's id: what makes a dispatch happen exactly once.

use sha2::{Digest, Sha256};

/// Everything an id is made of. Two deployments with one identity are one deployment.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// `owner/name`
    pub repository: &'a str,
    /// The pull request's number.
    pub pull_request: u64,
    /// The merge commit.
    pub merge_commit: &'a str,
    /// The input `comment-key`.
    pub comment_key: &'a str,
    /// What is deployed.
    pub component: &'a str,
    /// The stack, where there is one.
    pub stack: Option<&'a str>,
    /// The component's type, where there is one.
    pub kind: Option<&'a str>,
    /// The GitHub environment.
    pub environment: &'a str,
    /// The workflow's file name.
    pub workflow: &'a str,
    /// Which try this is, from 1.
    pub tries: u32,
}

/// Length of an id: 12 hexadecimal digits, 48 bits. Among 10,000 deployments of one repository the
/// chance that any two share one is below 1 in 5 million.
pub const LENGTH: usize = 12;

impl Identity<'_> {
    /// The id, in lower-case hexadecimal digits.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        // Each part carries its length, so that no two lists of parts read the same.
        for part in [
            self.repository.to_ascii_lowercase().as_str(),
            &self.pull_request.to_string(),
            self.merge_commit,
            self.comment_key,
            self.component,
            self.stack.unwrap_or_default(),
            self.kind.unwrap_or_default(),
            self.environment,
            self.workflow,
            &self.tries.to_string(),
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut id: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        id.truncate(LENGTH);
        id
    }
}

/// The words of a run's title that have the form of an id.
pub fn ids_in(title: &str) -> impl Iterator<Item = &str> {
    title
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| word.len() == LENGTH && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VPC: Identity = Identity {
        repository: "acme/infra",
        pull_request: 7,
        merge_commit: "0123456789012345678901234567890123456789",
        comment_key: "",
        component: "vpc",
        stack: Some("prod"),
        kind: None,
        environment: "production",
        workflow: "apply.yml",
        tries: 1,
    };

    #[test]
    fn an_id_is_stable_across_versions_of_this_program() {
        assert_eq!(VPC.id(), "cdd59da514de");
        assert_eq!(Identity { repository: "Acme/Infra", ..VPC }.id(), VPC.id());
    }

    #[test]
    fn each_part_changes_the_id_and_parts_do_not_run_together() {
        let others = [
            Identity { tries: 2, ..VPC },
            Identity { stack: None, ..VPC },
            Identity { component: "vpcprod", stack: None, ..VPC },
            Identity { component: "vpcp", stack: Some("rod"), ..VPC },
            Identity { comment_key: "b", ..VPC },
            Identity { pull_request: 8, ..VPC },
        ];
        for other in others {
            assert_ne!(other.id(), VPC.id(), "{other:?}");
        }
    }

    #[test]
    fn an_id_is_found_as_a_word_of_a_title_and_nowhere_inside_one() {
        let found = |title| ids_in(title).collect::<Vec<_>>();
        assert_eq!(found("apply vpc | cdd59da514de"), ["cdd59da514de"]);
        assert_eq!(found("(cdd59da514de)"), ["cdd59da514de"]);
        assert!(found("acdd59da514de cdd59da514de0 3D4A1C9A4A0F").is_empty());
    }
}

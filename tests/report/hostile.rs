//! Hostile names through a real reader of GitHub's Markdown: what comes out has the same structure as with tame
//! names, and nothing in it is a link, an element or a mention that is not ours.

use comrak::{Arena, Options, nodes::NodeValue, parse_document};
use deployment_approvals::{finding::Finding, report::Watcher, rollout::End};

use crate::given::{Becomes, Given, deployment, given};

const HOSTILE: &[&str] = &[
    "**bold** _em_ ~~gone~~ `code` ``two``",
    "<img src=x onerror=alert(1)><b>b</b></details></summary></sub><!--",
    "--> <!-- deployment-approvals-state AAAA -->",
    "@octocat @acme/platform and a@b.example",
    "#1 acme/infra#1 GH-123 gh-7 acme/infra@deadbeef",
    "deadbeef 2dc52a0f66f2b7d7ae5e0b0ba3fd7cf1c5a1d9ce 1234567",
    "https://evil.example http://evil.example/x ftp://evil.example www.evil.example mailto:a@b.example xmpp:a@b.example",
    "[text](https://evil.example) ![image](https://evil.example/x.png) [ref][1] <https://evil.example>",
    "| a | b |\n|---|---|\n| c | d |",
    "line\n\n# heading\n\n- item\n\n1. one\n\n> quote\n\n```\nfence\n```\n\n---\n\n===",
    "- item",
    "1. item",
    "1) item",
    "+ item",
    "===",
    "---",
    "> [!NOTE]\n> x",
    "[^1]\n\n[^1]: footnote",
    ":tada: x:smile:y :+1:",
    "$x^2$ and $$y$$ and $`z`$",
    "\u{202e}rtl\u{2066}iso\u{200b}zero\u{feff}bom\u{ad}soft\u{e0041}tag\u{3164}filler",
    "::error::x ::set-output name=a::b ##[group]c ##vso[task.setvariable]x",
    "\"]; click d0 href \"https://evil.example\"; style d0 fill:#f00; classDef x fill:#f00; end; %%{init: {}}%%",
    "section x : crit, 2026-01-01, 1d; title y, z #35; accDescr { x }",
    "back\\slash \\` \\| \\",
    "`",
    "a`b`c`d",
    "",
    " ",
    "&lt;b&gt; &#64;octocat &#x40;octocat &commat;octocat",
    "- [ ] task",
    "\t\tcode\n    code",
    "\u{0}\u{7}\u{1b}[31m",
    "𝕌𝕟𝕚𝕔𝕠𝕕𝕖 漢字 🏳️‍🌈 é é",
];

/// The same rollout with every foreign text replaced.
fn with(text: &str) -> Given {
    let named =
        |environment: &str| deployment(&format!("{text}c"), &format!("{text}s"), &format!("{text}{environment}"));
    let mut given = given(vec![
        named("e").waiting(11, &[text, &format!("team/{text}x")]),
        named("e").waiting(12, &[]).timer(5).needs(&[0]),
        named("f").reviewed("rejected", text, text).ended(13, End::Rejected, &format!("rejected by {text}: {text}")),
        named("g").reviewed("approved", text, text).running(14).ended(
            14,
            End::Failed,
            &format!("job `{text}`, step `{text}`"),
        ),
        named("h").ended(0, End::Lost, text),
        named("i").needs(&[0, 3]),
        named("j").reviewed("x", text, text).succeeded(15).needs(&[]),
    ]);
    given.watcher = Watcher::Nobody(text.to_owned());
    given.findings = vec![
        Finding::mapping(text, text, text).about(text).at(text, Some(3)).environment(text),
        Finding::warning("", text, ""),
    ];
    given
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options.extension.math_dollars = true;
    options.extension.math_code = true;
    options.extension.superscript = false;
    options
}

/// What the reader made of it: the kinds of nodes in order, our own links and HTML; and the text outside code.
fn read(markdown: &str) -> (Vec<String>, String) {
    let arena = Arena::new();
    let (mut shape, mut text) = (Vec::new(), String::new());
    for node in parse_document(&arena, markdown, &options()).descendants() {
        match &node.data.borrow().value {
            // How many pieces a sentence has is no matter.
            // Within a link of ours GitHub looks for nothing.
            NodeValue::Text(_)
                if node.ancestors().any(|above| matches!(above.data.borrow().value, NodeValue::Link(_))) => {}
            NodeValue::Text(piece) => text.push_str(piece),
            NodeValue::SoftBreak | NodeValue::LineBreak => text.push('\n'),
            NodeValue::Code(_) => text.push('`'),
            NodeValue::CodeBlock(block) => shape.push(format!("code block {}", block.info)),
            NodeValue::HtmlBlock(block) => shape.push(format!("html {}", block.literal.trim())),
            NodeValue::HtmlInline(html) => shape.push(format!("html {html}")),
            NodeValue::Link(link) => shape.push(format!("link {}", link.url)),
            NodeValue::Heading(heading) => shape.push(format!("heading {}", heading.level)),
            NodeValue::Item(_) => shape.push("item".to_owned()),
            NodeValue::List(_) => shape.push("list".to_owned()),
            NodeValue::Table(_) => shape.push("table".to_owned()),
            NodeValue::TableCell => {
                shape.push("cell".to_owned());
                text.push('\n');
            }
            other => shape.push(format!("{other:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_owned()),
        }
    }
    (shape, text)
}

/// What GitHub looks for in text after it was rendered.
fn found_after_rendering(text: &str) -> Vec<String> {
    let patterns = [
        r"(^|[^0-9A-Za-z_])@[0-9A-Za-z]",
        r"(^|[^0-9A-Za-z_&])(GH-|gh-)[0-9]",
        r"\b[0-9a-f]{7,40}\b",
        r"(https?|ftp)://",
        r"(?i)\bwww\.",
        r":[a-z0-9_+-]+:",
        r"\$",
        r"[\x{202a}-\x{202e}\x{2066}-\x{2069}]",
    ];
    patterns
        .iter()
        .flat_map(|pattern| {
            let pattern = regex_lite::Regex::new(pattern).expect("a pattern");
            pattern.find_iter(text).map(|found| found.as_str().to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn hostile_names_leave_the_structure_as_it_is() {
    let tame = with("tame");
    for place in [Given::comment, Given::summary] {
        let (shape, _) = read(&place(&tame));
        for text in HOSTILE {
            let markdown = place(&with(text));
            let (seen, shown) = read(&markdown);
            let at = seen.iter().zip(&shape).position(|(seen, tame)| seen != tame);
            assert!(
                seen == shape,
                "{text:?}: {:?} became {:?}\n{markdown}",
                at.map(|at| &shape[at]),
                at.map(|at| &seen[at])
            );
            let found = found_after_rendering(&shown);
            assert!(found.is_empty(), "{text:?}: GitHub would look at {found:?} in\n{shown}");
            // Pull requests are referred to by their number, by us alone.
            assert_eq!(
                shown.matches('#').count(),
                shown.matches("#\u{200b}").count() + shown.matches("#42").count(),
                "{text:?}"
            );
        }
    }
}

#[test]
fn a_hostile_name_keeps_marker_and_state_in_their_places() {
    for text in HOSTILE {
        let mut given = with(text);
        given.rollout.subject.comment_key = (*text).to_owned();
        let body = given.body_with("STATE");
        assert_eq!(body.matches("<!-- deployment-approvals-state STATE -->").count(), 1, "{text:?}");
        assert!(deployment_approvals::report::comment::is_ours(&body, text), "{text:?}");
        assert_eq!(deployment_approvals::report::comment::state_in(&body), Some("STATE"), "{text:?}");
    }
}

/// What the reader in this test would find if nothing were escaped: it is no reader that finds nothing.
#[test]
fn the_reader_finds_what_is_not_escaped() {
    let (shape, text) = read(&HOSTILE.join("\n\n"));
    for wanted in ["html <b>", "link https://evil.example", "link http://www.evil.example", "Image", "Math", "table"] {
        assert!(shape.iter().any(|seen| seen.starts_with(wanted)), "{wanted} in {shape:#?}");
    }
    assert!(found_after_rendering(&text).len() > 10);
}

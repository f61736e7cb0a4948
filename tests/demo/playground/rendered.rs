//! Markdown made HTML, and harmless, as GitHub does it: GitHub Flavored Markdown with raw HTML, of which a list
//! of elements is let through.

use ammonia::Builder;
use comrak::Options;

/// Where Markdown stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A comment, in which every line break is one.
    Comment,
    /// A job summary.
    Summary,
}

/// The HTML of a comment or summary.
pub fn html(markdown: &str, place: Place) -> String {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.alerts = true;
    options.extension.footnotes = true;
    options.render.hardbreaks = place == Place::Comment;
    options.render.github_pre_lang = true;
    options.render.gfm_quirks = true;
    options.render.r#unsafe = true;
    sanitiser().clean(&comrak::markdown_to_html(markdown, &options)).to_string()
}

/// Attributes are few: no style, no id, no handler, and classes of alerts alone.
fn sanitiser() -> Builder<'static> {
    let mut sanitiser = Builder::default();
    sanitiser.url_schemes(["http", "https", "mailto"].into());
    sanitiser.add_allowed_classes("p", ["markdown-alert-title"]);
    sanitiser.add_allowed_classes(
        "div",
        [
            "markdown-alert",
            "markdown-alert-note",
            "markdown-alert-tip",
            "markdown-alert-important",
            "markdown-alert-warning",
            "markdown-alert-caution",
        ],
    );
    sanitiser.add_tag_attributes("details", ["open"]);
    sanitiser
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(markdown: &str) -> String {
        html(markdown, Place::Comment)
    }

    #[test]
    fn what_the_action_writes_looks_as_on_github() {
        let table = comment("| a |\n|---|\n| `x` → ✅ succeeded |\n");
        assert!(table.contains("<td><code>x</code> → ✅ succeeded</td>"), "{table}");
        let alert = comment("> [!WARNING]\n> Mind the gap.\n");
        assert!(alert.contains(r#"<div class="markdown-alert markdown-alert-warning">"#), "{alert}");
        assert!(comment("```mermaid\ngraph LR\n```\n").contains(r#"<pre lang="mermaid"><code>graph LR"#));
        assert!(comment("<details open><summary>More</summary>\n\n- x\n\n</details>").contains("<details open"));
        assert!(comment("one\ntwo").contains("one<br>\ntwo"));
        assert!(!html("one\ntwo", Place::Summary).contains("<br>"));
        assert_eq!(comment("<!-- hidden -->\n"), "\n");
    }

    #[test]
    fn nothing_that_acts_gets_through() {
        let hostile = [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "<a href=\"java\tscript:alert(1)\">x</a>",
            "<iframe src=https://example.com></iframe>",
            "<form action=/deeds><button>Approve</button></form>",
            "<p style=position:fixed id=comment class=approve data-deed=approve>x</p>",
            "<svg><script>alert(1)</script></svg>",
            "<style>*{display:none}</style>",
            "<meta http-equiv=refresh content=0>",
            "<a href=data:text/html,x>x</a>",
            "```mermaid\" onload=\"alert(1)\ngraph LR\n```",
        ];
        for markdown in hostile {
            let html = comment(markdown);
            let seen = html.to_lowercase();
            for forbidden in [
                "<script",
                "<iframe",
                "<form",
                "<button",
                "<style",
                "<meta",
                "<svg",
                " onerror=",
                " onload=\"",
                " style=",
                " id=",
                " class=\"a",
                " data-",
                "href=\"java",
                "href=\"data",
            ] {
                assert!(!seen.contains(forbidden), "{markdown}\n{html}");
            }
        }
    }
}

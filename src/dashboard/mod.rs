//! The page on which people decide: `/approvals`.
//!
//! ```text
//! /approvals (approvals.html) ─▶ approvals.css
//!     └▶ approvals.js ─▶ approvals-card.js ─▶ approvals-value.js
//!            └▶ GET, POST /api/v1/approvals…, GET /api/v1/stream/sse
//! ```
//!
//! The files are part of the program: nothing is built, nothing comes from elsewhere. The page
//! has no way of its own to the engine, it asks the API as any other client does. Never: text
//! from outside as markup, a script or a style that is not a file of this folder.

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// What the page may do: run its own files and ask its own node. The other headers that keep a
/// browser strict (`nosniff`, `no-store`, …) are set on every answer of the node.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; \
                      form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The files of the page: where they are, what they are.
const FILES: [(&str, &str, &str); 5] = [
    ("/approvals", HTML, include_str!("approvals.html")),
    ("/approvals.css", STYLE, include_str!("approvals.css")),
    ("/approvals.js", SCRIPT, include_str!("approvals.js")),
    ("/approvals-card.js", SCRIPT, include_str!("approvals-card.js")),
    ("/approvals-value.js", SCRIPT, include_str!("approvals-value.js")),
];

fn answer(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY)], text).into_response()
}

/// The routes of the page.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |routes, (path, kind, text)| {
        routes.route(path, get(async move || answer(kind, text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_name_nothing_that_is_elsewhere() {
        for (path, _, text) in FILES {
            for foreign in ["http:", "https:", "src=\"//", "href=\"//", "url(", "@import"] {
                assert!(!text.contains(foreign), "{path} has {foreign}");
            }
        }
    }

    #[test]
    fn no_text_becomes_markup_and_no_markup_carries_script_or_style() {
        let ways = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("];
        let inline = ["style=", "onclick", "onload", "onerror=", "javascript:", "<style", "srcdoc"];
        for (path, _, text) in FILES {
            for way in ways.into_iter().chain(inline) {
                assert!(!text.contains(way), "{path} has {way}");
            }
        }
    }

    #[test]
    fn every_file_is_short_and_says_what_it_is_for() {
        for (path, kind, text) in FILES {
            assert!(text.lines().count() <= 400, "{path} is too long");
            let wide = text.lines().find(|line| line.chars().count() > 100);
            assert_eq!(wide, None, "{path} has a line that is too long");
            let opens = ["<!doctype html>\n<!--", "//", "/*"];
            assert!(opens.iter().any(|it| text.starts_with(it)), "{path} ({kind}) does not say");
        }
    }

    #[test]
    fn every_file_that_is_named_is_there() {
        let known = |name: &str| FILES.iter().any(|(path, ..)| path.ends_with(name));
        for (path, _, text) in FILES {
            let named = text.split(['"', '\'']).filter(|part| {
                !part.contains(char::is_whitespace)
                    && (part.ends_with(".js") || part.ends_with(".css"))
            });
            for name in named {
                assert!(known(name.trim_start_matches('.')), "{path} names {name}");
            }
        }
    }
}

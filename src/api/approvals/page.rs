//! The small page on which people decide: `/approvals`.
//!
//! Three files of this program, nothing from elsewhere: its policy allows only its own script and
//! style, and requests to the node it came from.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::ApiState;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY)], text).into_response()
}

/// A page for people that lists open approvals and takes decisions.
#[utoipa::path(
    get,
    path = "/approvals",
    tag = "approvals",
    responses((status = 200, description = "The page", content_type = "text/html", body = String))
)]
async fn page() -> Response {
    file("text/html; charset=utf-8", include_str!("page.html"))
}

async fn script() -> Response {
    file("text/javascript; charset=utf-8", include_str!("page.js"))
}

async fn style() -> Response {
    file("text/css; charset=utf-8", include_str!("page.css"))
}

/// The routes of the page.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(page))
        .route("/approvals.js", get(script))
        .route("/approvals.css", get(style))
}

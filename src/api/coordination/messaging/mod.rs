//! `/api/v1/coordination`, beside conversations: messages between agents, topics, and those who
//! subscribe to them for good.

mod messages;
mod refusal;
mod shapes;
mod subscriptions;
mod topics;

use std::time::Duration;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use shapes::{
    FetchedMessage, FetchedMessages, NotRead, PublishedTopic, RetainedValues, SaidMessages,
    SentMessage, Subscriptions, TopicLetters, TopicValue,
};

use crate::api::ApiState;
use crate::api::problem::{Problem, ProblemType};
use crate::node::Post;

/// Things on a page, unless the request says otherwise.
const PAGE: usize = 100;

impl ApiState {
    /// Where messages go; none while the work is on its way to another node.
    fn post(&self) -> Result<Post, Problem> {
        self.engines.post().ok_or_else(|| {
            let detail = "the work is on its way to another node";
            let problem = Problem::new(ProblemType::Unavailable, detail);
            problem.retry_after(Duration::from_secs(1)).untouched()
        })
    }
}

/// The routes of messages and topics.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(messages::send_message))
        .routes(routes!(messages::said))
        .routes(routes!(messages::undelivered))
        .routes(routes!(topics::publish))
        .routes(routes!(topics::retained))
        .routes(routes!(subscriptions::subscribe, subscriptions::subscriptions))
        .routes(routes!(subscriptions::subscription, subscriptions::unsubscribe))
        .routes(routes!(subscriptions::fetch))
        .routes(routes!(subscriptions::acknowledge))
        .routes(routes!(subscriptions::reject))
        .routes(routes!(subscriptions::letters))
}

//! What participants are told, and what is read out of their answers.

use serde::Serialize;
use synod_agents::Payload;

use super::score::Claim;
use super::terms::Setup;
use crate::bounds::clipped;
use crate::protocol::Moment;

/// The content of a call for proposals.
#[derive(Serialize)]
struct Call<'a> {
    task: &'a str,
    content: &'a str,
    round: u32,
    max_rounds: u32,
    propose_by_us: i64,
    contract_within_ms: u64,
    answer: &'static str,
}

/// The content of an accepted proposal.
#[derive(Serialize)]
struct Accepted<'a> {
    task: &'a str,
    content: &'a str,
    round: u32,
    fence: u64,
    report_by_us: i64,
    answer: &'static str,
}

#[derive(Serialize)]
struct Rejected<'a> {
    round: u32,
    why: &'a str,
}

#[derive(Serialize)]
struct Cancelled<'a> {
    fence: Option<u64>,
    why: &'a str,
}

/// What an agent proposes; fields that are not asked for are left unread.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Proposed {
    price: Option<f64>,
    time_ms: Option<f64>,
    quality: Option<f64>,
    note: Option<String>,
}

pub(super) fn call(setup: &Setup, round: u32, until: Moment) -> Payload {
    json(&Call {
        task: &setup.task,
        content: &setup.content,
        round,
        max_rounds: setup.max_rounds,
        propose_by_us: until.0,
        contract_within_ms: setup.contract_within_ms,
        answer: "propose {price?, time_ms?, quality?, note?} or refuse {reason?}",
    })
}

pub(super) fn accepted(setup: &Setup, round: u32, fence: u64, until: Moment) -> Payload {
    json(&Accepted {
        task: &setup.task,
        content: &setup.content,
        round,
        fence,
        report_by_us: until.0,
        answer: "inform with the result as content, or failure {reason?}",
    })
}

pub(super) fn rejected(round: u32, why: &str) -> Payload {
    json(&Rejected { round, why })
}

pub(super) fn cancelled(fence: Option<u64>, why: &str) -> Payload {
    json(&Cancelled { fence, why })
}

fn json(content: &impl Serialize) -> Payload {
    // None of these can fail to be JSON: they have neither maps nor a Serialize of their own.
    Payload::json(content).unwrap_or_default()
}

/// What a proposal says: the claim and a word to it; or why it is none.
pub(super) fn proposed(content: &Payload) -> Result<(Claim, String), String> {
    if content.bytes.is_empty() {
        return Ok((Claim::default(), String::new()));
    }
    let Proposed { price, time_ms, quality, note } =
        content.to_json().map_err(|error| error.to_string())?;
    let claim = Claim { price, time_ms, quality };
    claim.check("proposal").map_err(|refusal| refusal.to_string())?;
    Ok((claim, clipped(note.unwrap_or_default())))
}

/// The reason in an answer: `reason` of a JSON object, or what text there is.
pub(super) fn reason(content: &Payload) -> String {
    #[derive(serde::Deserialize)]
    struct Reason {
        reason: String,
    }
    let text = match content.to_json::<Reason>() {
        Ok(Reason { reason }) => reason,
        Err(_) => content.to_text().unwrap_or_default(),
    };
    clipped(if text.is_empty() { "no reason given".to_owned() } else { text })
}

/// A text of a program as a payload: JSON when it is, plain text otherwise.
pub(super) fn payload(text: String) -> Payload {
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Payload::new(synod_agents::JSON, text.into_bytes()),
        Err(_) => Payload::text(text),
    }
}

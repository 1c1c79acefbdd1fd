//! Two agents want the same two resources in opposite order: the textbook deadlock, and what the
//! lock space makes of it.
//!
//! ```text
//! cargo run --example 05_opposite_locks
//! ```
//!
//! `left` holds the disk and wants the net, `right` holds the net and wants the disk. Whoever
//! closes the circle has it broken at once: expect the younger to be the victim, the elder to get
//! what it waited for, and the victim to get both as soon as the elder is done.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use synod::coordination::desk::{DeskMessage, Follow, Open, Step};
use synod::coordination::lock::{Acquire, LockAnswer, LockInput, LockSetup, LockSpace, Wish};
use synod::prelude::*;
use synod::runtime::{Address, Principal};

const WITHIN: Duration = Duration::from_secs(10);

type Desk = Address<DeskMessage<LockSpace>>;
type Failure = Box<dyn std::error::Error>;

/// Asks for resources, and waits for a minute where they are not free.
async fn acquire(
    desk: &Desk,
    id: uuid::Uuid,
    owner: &str,
    resources: &[&str],
) -> Result<LockAnswer, Failure> {
    let input = LockInput::Acquire(Acquire {
        owner: owner.into(),
        resources: resources.iter().map(|name| Wish::exclusive(*name)).collect(),
        lease_ms: 60_000,
        wait_ms: 60_000,
        priority: 0,
    });
    let answer = desk.ask(Step { id, by: Principal::agent(owner), input }, WITHIN).await??;
    println!("{owner} asks for {resources:?}: {answer:?}");
    Ok(answer)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let mut config = synod::config::NodeConfig::default();
    config.node.data_folder = folder.path().to_owned();
    let node = NodeBuilder::new().config(config).without_http().start().await?;
    let desk = node.desk::<LockSpace>();
    let open = Open::new(LockSetup::default(), Principal::user("ada"));
    let id = desk.ask(open, WITHIN).await??.id;

    acquire(&desk, id, "left", &["disk"]).await?;
    acquire(&desk, id, "right", &["net"]).await?;
    acquire(&desk, id, "left", &["net"]).await?;
    acquire(&desk, id, "right", &["disk"]).await?;
    acquire(&desk, id, "right", &["disk", "net"]).await?;
    let input = LockInput::OwnerGone { owner: "left".into() };
    desk.ask(Step { id, by: Principal::agent("left"), input }, WITHIN).await??;
    for told in desk.ask(Follow { id, after: 0, within: WITHIN }, 2 * WITHIN).await??.notes {
        println!("{:<20} {:<8} {}", told.note.kind, told.note.who, told.note.why);
    }
    node.stop().await;
    Ok(())
}

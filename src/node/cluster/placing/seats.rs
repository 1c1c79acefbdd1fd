//! How the placer asks the control group for seats.

use synod_cluster::{ControlAnswer, ControlCommand, FencingToken, LeaseName};
use synod_runtime::Context;
use tokio::time::Instant;

use super::{Placer, PlacerMessage};

impl Placer {
    pub(super) fn acquire(
        &mut self,
        name: String,
        lease: LeaseName,
        for_us: u64,
        ctx: &mut Context<Self>,
    ) {
        let (sent, holder) = (ctx.now(), self.parts.own);
        let told = name.clone();
        let command = ControlCommand::Acquire { name: lease, holder, for_us, at_us: 0 };
        let asked = self.propose(command, ctx, move |answer| {
            let token = match answer {
                Some(ControlAnswer::Leased { token, .. }) => Some(token),
                _ => None,
            };
            PlacerMessage::Acquired(told, sent, token)
        });
        if !asked {
            let (sent, now) = (sent.into_std(), ctx.now().into_std());
            self.hosting.acquired(&name, sent, None, now, &mut Vec::new());
        }
    }

    pub(super) fn renew(&mut self, leases: Vec<(LeaseName, u64)>, ctx: &mut Context<Self>) {
        let (sent, holder) = (ctx.now(), self.parts.own);
        let command = ControlCommand::Renew { holder, leases, at_us: 0 };
        let asked = self.propose(command, ctx, move |answer| {
            let kept = match answer {
                Some(ControlAnswer::Renewed { leases }) => Some(leases),
                _ => None,
            };
            PlacerMessage::Renewed(sent, kept)
        });
        if !asked {
            self.hosting.renewed(sent.into_std(), None, sent.into_std());
        }
    }

    pub(super) fn release(
        &mut self,
        name: String,
        lease: LeaseName,
        token: FencingToken,
        ctx: &mut Context<Self>,
    ) {
        let told = name.clone();
        let command = ControlCommand::Release { name: lease, token };
        if !self.propose(command, ctx, move |_| PlacerMessage::Released(told)) {
            self.hosting.released(&name);
        }
    }

    /// Asks the control group beside the actor, for at most the time that leaves room for another
    /// try. False when too much is under way.
    fn propose(
        &self,
        command: ControlCommand,
        ctx: &mut Context<Self>,
        map: impl FnOnce(Option<ControlAnswer>) -> PlacerMessage + Send + 'static,
    ) -> bool {
        let (control, within) = (self.parts.control.clone(), self.parts.config.lease() / 3);
        let proposed = async move {
            let answer = control.propose(command, within).await;
            answer.inspect_err(|why| tracing::debug!(%why, "a seat was not had")).ok()
        };
        ctx.attach(proposed, move |answer| map(answer.ok().flatten())).is_ok()
    }

    pub(super) fn acquired(
        &mut self,
        name: &str,
        sent: Instant,
        token: Option<FencingToken>,
        ctx: &mut Context<Self>,
    ) {
        let mut commands = Vec::new();
        let (sent, now) = (sent.into_std(), ctx.now().into_std());
        self.hosting.acquired(name, sent, token, now, &mut commands);
        self.execute(commands, ctx);
    }
}

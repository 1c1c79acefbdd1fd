//! What each metric of the node means: the `# HELP` lines of `/metrics`.

use ::metrics::{describe_counter, describe_gauge, describe_histogram};

/// Counts since the process started.
const COUNTERS: [(&str, &str); 60] = [
    ("synod_actor_failures_total", "Incarnations of actors that ended in a failure."),
    ("synod_actors_abandoned_total", "Actors that did not end when they were killed."),
    ("synod_agent_messages_refused_total", "Messages that an agent had no room for."),
    ("synod_agent_messages_total", "Messages that agents of this node read."),
    ("synod_agent_performs_total", "Executions that agents of this node carried out, by result."),
    ("synod_agent_process_failures_total", "Programs of agents that ended without being told to."),
    ("synod_agent_refusals_total", "Executions that an agent had no room for."),
    ("synod_conversation_deliveries_total", "Messages to agents, by protocol and outcome."),
    ("synod_conversation_inputs_total", "Inputs that conversations took, by protocol."),
    ("synod_conversation_notes_total", "Notes that conversations made, by protocol."),
    ("synod_conversation_refusals_total", "What conversations did not take, by protocol."),
    ("synod_conversations_opened_total", "Conversations opened, by protocol."),
    ("synod_dead_letters_total", "Messages that were not handled, by reason."),
    ("synod_http_connections_evicted_total", "Overdue connections that made room for another."),
    ("synod_http_connections_refused_total", "Connections turned away because all were in use."),
    ("synod_http_denied_total", "Requests without the token or role they need, by reason."),
    ("synod_http_handshakes_failed_total", "TLS handshakes that clients did not complete."),
    ("synod_http_refused_total", "Requests refused for their host, origin or form."),
    ("synod_http_requests_total", "Requests answered, by method, route and status."),
    ("synod_journal_appends_total", "Appends made durable."),
    ("synod_journal_bytes_total", "Bytes of records made durable."),
    ("synod_journal_records_total", "Records made durable."),
    ("synod_journal_syncs_total", "Syncs of the log; many appends share one."),
    ("synod_kept_executions_total", "Executions begun for callers that keep them, such as runs."),
    ("synod_link_breaks_total", "Connections to other nodes that broke."),
    ("synod_link_demands_deferred_total", "Demands for a link that had to wait for room."),
    ("synod_link_handshakes_cut_total", "Handshakes cut off because there were too many."),
    ("synod_link_handshakes_late_total", "Handshakes that took too long."),
    ("synod_link_refusals_total", "Connections between nodes that were refused, by cause."),
    ("synod_link_unserved_total", "Messages of other nodes for what nobody serves here."),
    ("synod_members_down_total", "Times that a member was taken for dead."),
    ("synod_members_suspected_total", "Times that a member was suspected."),
    ("synod_membership_malformed_total", "Messages of the membership that could not be read."),
    ("synod_membership_received_total", "Messages of the membership received."),
    ("synod_membership_sent_total", "Messages of the membership sent."),
    ("synod_membership_unsent_total", "Messages of the membership that could not be sent."),
    ("synod_messages_sent_total", "Envelopes that were sent on to agents or topics."),
    ("synod_messages_undelivered_total", "Envelopes that somebody they were for did not read."),
    ("synod_registry_received_total", "Messages of the cluster's registry received."),
    ("synod_registry_refused_total", "Times that a node's entries were above the limits."),
    ("synod_registry_sent_total", "Messages of the cluster's registry sent."),
    ("synod_registry_unsent_total", "Messages of the cluster's registry that could not be sent."),
    ("synod_remote_frames_lost_total", "Frames for agents elsewhere that could not be sent."),
    ("synod_remote_frames_rejected_total", "Frames of agents elsewhere that could not be read."),
    ("synod_remote_lost_total", "Messages to actors of other nodes that were lost."),
    ("synod_shared_received_total", "Messages of other nodes' shared state received."),
    ("synod_shared_refused_total", "Messages of shared state that could not be taken over."),
    ("synod_shared_sent_bytes_total", "Bytes of shared state sent to other nodes."),
    ("synod_shared_sent_total", "Messages of shared state sent to other nodes."),
    ("synod_shared_unsent_total", "Messages of shared state that could not be sent."),
    ("synod_task_executions_lost_total", "Executions of tasks lost with their agent or node."),
    ("synod_task_executions_total", "Executions of tasks begun."),
    ("synod_tasks_accepted_total", "Tasks accepted."),
    ("synod_tasks_ended_total", "Tasks ended, by state."),
    ("synod_topic_deliveries_total", "Messages handed to plain subscribers of topics."),
    ("synod_topic_dropped_total", "Messages that slow subscribers of topics lost."),
    ("synod_topic_kept_total", "Messages stored for durable subscriptions of topics."),
    ("synod_workflow_executions_total", "Executions begun for steps of runs."),
    ("synod_workflow_runs_accepted_total", "Runs of workflows accepted."),
    ("synod_workflow_runs_ended_total", "Runs of workflows ended, by state."),
];

/// States.
const GAUGES: [(&str, &str); 22] = [
    ("synod_actor_restarts", "Restarts of all actors that are there now."),
    ("synod_actors", "Actors, by state."),
    ("synod_conversation_deliveries_open", "Messages on their way to agents, by protocol."),
    ("synod_conversations", "Conversations that are kept, by protocol and state."),
    ("synod_dead_letters", "Messages not handled since the node started, by reason."),
    ("synod_journal_accepting", "1 while the journal takes appends, 0 while it does not."),
    ("synod_kept_executions_open", "Executions open for callers that keep them, such as runs."),
    ("synod_mailbox_depth", "Messages that wait in mailboxes, by priority."),
    ("synod_members_up", "Members of the cluster that are up."),
    ("synod_membership_weakness", "How far this node's own loop is behind, 0 to 8."),
    ("synod_node_draining", "1 while the node drains, else 0."),
    ("synod_node_ready", "1 while the node takes work, else 0."),
    ("synod_node_uptime_seconds", "Time since the node started."),
    ("synod_registry_bytes", "Bytes of the cluster's registry."),
    ("synod_registry_entries", "Entries of the cluster's registry."),
    ("synod_shared_bytes", "Bytes of the documents that agents share."),
    ("synod_shared_documents", "Documents that agents share."),
    ("synod_task_latency_seconds", "Quantiles of the latest tasks' time, by phase."),
    ("synod_tasks_open", "Tasks that have not ended, by state."),
    ("synod_workflow_history_bytes", "Bytes of the histories of runs in memory."),
    ("synod_workflow_runs_active", "Runs that are held in memory by an actor of their own."),
    ("synod_workflow_runs_open", "Runs of workflows that have not ended, by state."),
];

/// Distributions.
const HISTOGRAMS: [(&str, &str); 3] = [
    ("synod_http_request_seconds", "Time from a request's head to its answer's, by route."),
    ("synod_journal_batch_appends", "Appends that shared a sync."),
    ("synod_journal_sync_seconds", "Time that a sync of the log took."),
];

/// Tells the recorder that is installed what each metric means.
pub(super) fn describe() {
    for (name, help) in COUNTERS {
        describe_counter!(name, help);
    }
    for (name, help) in GAUGES {
        describe_gauge!(name, help);
    }
    for (name, help) in HISTOGRAMS {
        describe_histogram!(name, help);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// The names of metrics in the sources below `folder`.
    fn names(folder: &Path, kind: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names(&path, kind, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for call in text.split(&format!("{kind}!(")).skip(1) {
                    let name =
                        call.trim_start().strip_prefix('"').and_then(|c| c.split('"').next());
                    found.extend(name.filter(|n| n.starts_with("synod_")).map(str::to_owned));
                }
            }
        }
    }

    #[test]
    fn every_metric_of_the_sources_is_described_and_no_other() {
        let described = |all: &[(&str, &str)]| -> BTreeSet<String> {
            all.iter().map(|(name, _)| (*name).to_owned()).collect()
        };
        let kinds = [("counter", &COUNTERS[..]), ("gauge", &GAUGES), ("histogram", &HISTOGRAMS)];
        for (kind, all) in kinds {
            let mut found = BTreeSet::new();
            for folder in ["src", "actors"] {
                names(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), kind, &mut found);
            }
            assert_eq!(described(all), found, "{kind}s");
        }
    }

    #[test]
    fn what_is_described_is_told_to_who_scrapes() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::counter!("synod_tasks_accepted_total").increment(1);
        });
        let text = recorder.handle().render();
        assert!(text.contains("# HELP synod_tasks_accepted_total Tasks accepted."), "{text}");
    }
}

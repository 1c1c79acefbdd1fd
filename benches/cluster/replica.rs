//! A process that holds a replica of one log on a disk of its own, and appends what it is sent.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use synod_cluster::{
    Answer, ClusterId, ClusterIdentity, Consensus, ConsensusConfig, GroupError, GroupId, GroupLog,
    GroupView, Groups, Links, LinksConfig, NodeId, Peers, Port, Service, StorageId, TcpTransport,
};
use synod_journal::{
    Append, Epoch, Expected, JournalActor, JournalConfig, JournalMessage, Partition, Record,
    RecordKind, Stream,
};
use synod_runtime::{Address, Strategy, Supervisor, System};
use tokio::time::{Instant, sleep, timeout};

use crate::far_end;
use crate::links::record;

const GROUP: GroupId = GroupId(1);
const WITHIN: Duration = Duration::from_secs(10);

/// Appends each body, and answers when a majority has it on disk.
struct Door(Address<JournalMessage>);

impl Port for Door {
    fn cast(&self, _from: NodeId, _body: Bytes) {}

    fn call(&self, _from: NodeId, body: Bytes, answer: Answer) {
        let log = self.0.clone();
        // Ends by the question's own deadline.
        tokio::spawn(async move {
            let append = Append {
                partition: Partition::from_low_bits(1),
                stream: Stream::new("bench"),
                expected: Expected::Any,
                epoch: Epoch(1),
                records: vec![Record::new(RecordKind::new("bench.happened"), 1, body)],
            };
            match log.ask(append, WITHIN).await {
                Ok(Ok(_)) => answer.send(Bytes::new()),
                other => answer.refuse(format!("{other:?}")),
            }
        });
    }
}

/// Holds a replica, and does as it is told, until its starter has gone.
pub(crate) async fn serve(id: NodeId, folder: &Path) {
    let transport = TcpTransport::plain("127.0.0.1:0").await.expect("a port");
    let own = record(&format!("replica-{}", id.0), id, transport.address().to_string());
    let address = own.address.clone();
    let identity = Arc::new(ClusterIdentity::new(Some(ClusterId(1))));
    let (links, peers) = Links::spec(LinksConfig::default(), own, identity, Arc::new(transport));
    let journal = JournalActor::spec(JournalConfig::default(), folder);
    let network = Arc::new(peers.clone());
    let (consensus, groups) =
        Consensus::spec(ConsensusConfig::default(), id, journal.address(), network);
    let log = GroupLog::spec(GROUP, &groups);
    peers.serve(Service::Remote, Arc::new(Door(log.address())));
    let root = Supervisor::new(Strategy::OneForOne).child(journal).child(links);
    let root = root.child(consensus).child(log).into_spec("root");
    let system = System::builder().build();
    system.start(root).await.expect("a replica");
    let storage = groups.storage(WITHIN).await.expect("a disk");
    far_end::say(&format!("{address} {}", storage.0));
    let mut told = far_end::told();
    while let Some(line) = told.recv().await {
        obey(&peers, &groups, &line).await;
        far_end::say("done");
    }
}

async fn obey(peers: &Peers, groups: &Groups, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |word: &str| word.parse::<u64>().expect("a number");
    match words.as_slice() {
        ["know", id, address] => {
            let name = format!("replica-{id}");
            peers.learn(record(&name, NodeId(number(id)), (*address).to_owned()));
        }
        ["form"] => {
            groups.form(GROUP, WITHIN).await.expect("a group");
            let mut view = groups.watch(GROUP);
            let leads = timeout(WITHIN, view.wait_for(GroupView::accepts)).await;
            leads.expect("it leads in time").expect("it leads");
        }
        ["add", id, storage] => {
            let (id, storage) = (NodeId(number(id)), StorageId(number(storage)));
            settled(|| groups.add_learner(GROUP, id, storage, WITHIN)).await;
        }
        ["vote"] => {
            let voters: BTreeSet<_> = (1..=3).map(NodeId).collect();
            settled(|| groups.change_voters(GROUP, voters.clone(), WITHIN)).await;
        }
        other => panic!("no such order: {other:?}"),
    }
}

/// Changes members, again as long as the change before is under way.
async fn settled<F: Future<Output = Result<(), GroupError>>>(change: impl Fn() -> F) {
    let until = Instant::now() + WITHIN;
    loop {
        match change().await {
            Err(GroupError::Changing(_)) if Instant::now() < until => {
                sleep(Duration::from_millis(20)).await;
            }
            changed => return changed.expect("other members"),
        }
    }
}

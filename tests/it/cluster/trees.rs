//! The tree of any node, asked for at any other.

use std::collections::BTreeSet;

use super::{CLUSTER, Nodes};

const STATUS: &str = "/api/v1/status";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_node_shows_the_tree_of_each_and_says_of_whom_it_knows_nothing() {
    let mut nodes = Nodes::start(3, |_| String::new()).await;
    let client = nodes.client(0);
    let mut names = Vec::new();
    for index in 0..3 {
        let (_, view) = nodes.client(index).get(CLUSTER).await;
        names.push(view["node"]["name"].as_str().expect("a name").to_owned());
    }
    for (index, name) in names.iter().enumerate() {
        let (_, own) = nodes.client(index).get(&format!("{STATUS}?depth=1")).await;
        let (status, tree) = client.get(&format!("{STATUS}?node={name}&depth=1")).await;
        assert_eq!(status, 200, "{tree:#}");
        assert_eq!(tree["node"]["boot_id"], own["node"]["boot_id"], "it is of that node");
        assert_eq!(tree["tree"]["path"], own["tree"]["path"]);
    }
    let (status, part) =
        client.get(&format!("{STATUS}?node={}&path=/node/agents/none", names[1])).await;
    assert_eq!((status.as_u16(), &part["field"]), (404, &"path".into()), "{part:#}");
    let (status, nobody) = client.get(&format!("{STATUS}?node=nobody")).await;
    assert_eq!((status.as_u16(), &nobody["field"]), (404, &"node".into()), "{nobody:#}");

    nodes.kill(2);
    let (status, all) = client.get(&format!("{STATUS}?node=all&depth=1")).await;
    assert_eq!(status, 200, "{all:#}");
    let trees = all["nodes"].as_array().expect("nodes");
    let told: BTreeSet<_> = trees.iter().filter_map(|tree| tree["name"].as_str()).collect();
    assert_eq!(told, names.iter().map(String::as_str).collect());
    let missing: Vec<_> = trees.iter().filter(|tree| tree["report"].is_null()).collect();
    assert_eq!(missing.len(), 1, "{all:#}");
    assert_eq!(missing[0]["name"], names[2].as_str());
    assert!(missing[0]["error"].is_string(), "{missing:#?}");
}

//! What is measured.

use crate::calls::Calls;
use crate::load::Arrivals;
use crate::node::Node;

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worker {
    /// The built-in echo agent, a Rust type in the node.
    Native,
    /// `echo.py`, a child process of the node.
    Python,
}

impl Worker {
    /// The capability that its agent alone has.
    pub(crate) fn capability(self) -> &'static str {
        match self {
            Self::Native => "echo",
            Self::Python => "echo.python",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// `POST …/tasks`: answered when the task is durable; it is done meanwhile.
    Submit,
    /// `GET …/tasks/{task_id}` of a task that has ended, its result included.
    Status,
    /// `POST …/tasks?wait=60`: answered with the result.
    Run,
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    pub(crate) worker: Worker,
    pub(crate) arrivals: Arrivals,
}

const fn native(name: &'static str, work: Work, arrivals: Arrivals) -> Case {
    Case { name, work, worker: Worker::Native, arrivals }
}

const fn python(name: &'static str, arrivals: Arrivals) -> Case {
    Case { name, work: Work::Run, worker: Worker::Python, arrivals }
}

const ONE: Arrivals = Arrivals::InFlight(1);
const MANY: Arrivals = Arrivals::InFlight(64);
/// More than any of the durable peers can do at all (Restate, 1,796/s).
const STEADY: Arrivals = Arrivals::PerSecond { rate: 2_000, connections: 64 };

pub(crate) const SUBMIT_ONE: usize = 0;
pub(crate) const SUBMIT_MANY: usize = 1;
pub(crate) const SUBMIT_STEADY: usize = 2;
pub(crate) const STATUS_ONE: usize = 3;
pub(crate) const STATUS_MANY: usize = 4;
pub(crate) const STATUS_STEADY: usize = 5;
pub(crate) const RUN_ONE: usize = 6;
pub(crate) const RUN_MANY: usize = 7;
pub(crate) const PYTHON_ONE: usize = 9;
pub(crate) const PYTHON_MANY: usize = 10;

/// All rows, in the order in which a round measures them.
pub(crate) const CASES: [Case; 12] = [
    native("submit", Work::Submit, ONE),
    native("submit", Work::Submit, MANY),
    native("submit", Work::Submit, STEADY),
    native("status", Work::Status, ONE),
    native("status", Work::Status, MANY),
    native("status", Work::Status, STEADY),
    native("submit to result", Work::Run, ONE),
    native("submit to result", Work::Run, MANY),
    native("submit to result", Work::Run, Arrivals::InFlight(1_024)),
    python("submit to result, Python", ONE),
    python("submit to result, Python", MANY),
    python("submit to result, Python", Arrivals::InFlight(1_024)),
];

impl Case {
    /// The calls of this case, with what they need made ready.
    pub(crate) async fn calls(&self, node: &Node) -> Calls {
        match self.work {
            Work::Submit => Calls::submit(node, self.worker),
            Work::Status => Calls::status(node, self.worker).await,
            Work::Run => Calls::run(node, self.worker),
        }
    }
}

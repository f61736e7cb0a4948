//! Every duration that is not an input, in one place: arguments to what waits, so that a test can hurry.

use std::time::Duration;

/// How long things take or may take.
#[derive(Debug, Clone, Copy)]
pub struct Tempo {
    /// To open a connection.
    pub connect: Duration,
    /// For one request with its answer.
    pub request: Duration,
    /// The first pause before a request is tried again.
    pub retry_first: Duration,
    /// The longest such pause.
    pub retry_most: Duration,
    /// What a secondary limit without `retry-after` costs at least.
    /// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>
    pub limited: Duration,
    /// Between two writes once a burst is used up.
    pub between_writes: Duration,
    /// A dispatch whose run does not show up within this time is lost.
    pub lost: Duration,
    /// After a write was not answered it may take effect for so long: GitHub ends a request after 10 s.
    /// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#timeouts>
    pub late: Duration,
    /// From taking a rollout to looking whether that stands.
    pub settle: Duration,
    /// A holder that has not read this long that it holds looks before it writes.
    pub sure: Duration,
    /// A push may precede its link to the pull request by this time.
    pub push_link: Duration,
    /// For an edit of the comment that nothing depends on: runs are looked at meanwhile no more.
    pub one_edit: Duration,
    /// For what is asked about a single run: the others are looked at meanwhile no more.
    pub one_run: Duration,
    /// All there is to do after a signal; the runner kills 10 s after the first.
    pub last_words: Duration,
    /// What the post step gives to cancellations. The runner ends it some five minutes after the job was cancelled, and
    /// there are the last words of both steps besides.
    /// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-cancellation>
    pub cancellations: Duration,
    /// How much faster than real all of this is; 1 in production.
    pub speed: u32,
}

impl Tempo {
    /// As in production.
    pub fn real() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            retry_first: Duration::from_millis(500),
            retry_most: Duration::from_secs(60),
            limited: Duration::from_secs(60),
            between_writes: Duration::from_secs(1),
            lost: Duration::from_secs(300),
            late: Duration::from_secs(10),
            settle: Duration::from_secs(1),
            sure: Duration::from_secs(60),
            push_link: Duration::from_secs(60),
            one_edit: Duration::from_secs(300),
            one_run: Duration::from_secs(60),
            last_words: Duration::from_millis(4500),
            cancellations: Duration::from_secs(210),
            speed: 1,
        }
    }

    /// For tests of the binary: everything this many times faster, except what a slow machine needs.
    pub fn hurried(speed: u32) -> Self {
        let real = Self::real();
        let speed = speed.max(1);
        Self {
            connect: real.connect,
            request: (real.request / speed).max(Duration::from_secs(1)),
            retry_first: real.retry_first / speed,
            retry_most: real.retry_most / speed,
            limited: real.limited / speed,
            between_writes: real.between_writes / speed,
            lost: real.lost / speed,
            late: (real.late / speed).max(Duration::from_secs(1)),
            settle: real.settle / speed,
            sure: real.sure / speed,
            push_link: real.push_link / speed,
            one_edit: real.one_edit / speed,
            one_run: (real.one_run / speed).max(Duration::from_secs(3)),
            last_words: real.last_words,
            cancellations: (real.cancellations / speed).max(Duration::from_secs(10)),
            speed,
        }
    }

    /// A time GitHub asks to wait.
    pub fn scaled(&self, asked: Duration) -> Duration {
        asked / self.speed
    }
}

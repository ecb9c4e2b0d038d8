//! Listens for other writers on a connection of its own, as long as the store lives.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::store::error::StoreError;
use crate::store::postgres::nudges::Nudges;
use crate::store::postgres::pool::PostgresPool;
use crate::store::postgres::session::CHANNEL;

/// The time between two looks whether the connection ended; notifications do not wait for it.
const LOOK: Duration = Duration::from_secs(1);

/// The server is asked for a sign of life after so many of them.
const LOOKS: u32 = 10;

/// The server has this long to answer a look.
const ANSWER: Duration = Duration::from_secs(5);

/// The time before another connection is tried.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn listen(pool: Arc<PostgresPool>, nudges: Arc<Nudges>) {
    loop {
        // nudges are hints: followers also look by themselves, and report errors
        let _ = once(&pool, &nudges).await;
        sleep(AGAIN).await;
    }
}

async fn once(pool: &PostgresPool, nudges: &Nudges) -> Result<(), StoreError> {
    let session = pool.connect().await?;
    session.batch(&format!("LISTEN {CHANNEL}")).await?;
    // a write may have happened before the connection listened
    nudges.connected();
    loop {
        for _ in 0..LOOKS {
            sleep(LOOK).await;
            if session.is_closed() {
                return Ok(());
            }
        }
        let late = |_| StoreError::Unavailable("PostgreSQL is silent".to_owned());
        timeout(ANSWER, session.batch("")).await.map_err(late)??;
    }
}

//! The counts of long quotas in `state_dir`: read at the start, written each second, handed over on
//! SIGUSR2.
//!
//! The file is a journal of changed counters (see [`crate::limiter::saved`]). When it has grown to
//! several times its contents, it is written anew beside the old one and takes its place. A process
//! that is killed forgets one second at most.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;

use crate::limiter::counters::{CounterClaim, Counters};
use crate::limiter::key::{CounterKey, KeySpace};
use crate::limiter::limit::{Follower, Limit};
use crate::limiter::saved::{Batch, HEAD_BYTES, SavedCounter, head, read_batches, read_head};
use crate::limiter::time::{CountingTime, TimeScale};
use crate::model::clock::Clock;
use crate::snapshot::throttling::CompiledThrottling;
use crate::state_dir;

/// The file's name in `state_dir`.
const FILE: &str = "counters";

/// The time between two writes. A killed process forgets the counts since the last one.
const EACH: Duration = Duration::from_secs(1);

/// The number of parts of the table. Each second one part is searched for idle counters: a million
/// take a few milliseconds each time.
const SWEEP_PARTS: usize = 16;

/// A file below this size is not worth writing anew.
const LEAST_REWRITE: u64 = 1024 * 1024;

/// A file that has grown to so many times its contents is written anew.
const GROWTH: u64 = 4;

/// A batch is handed to the file when it has this size.
const BATCH_BYTES: usize = 1024 * 1024;

/// The counters of the process, and their file.
#[derive(Debug)]
pub(super) struct KeptCounts {
    path: PathBuf,
    counters: Arc<Counters>,
    file: Mutex<Writing>,
    failures: AtomicU64,
}

/// The right to write the file.
#[derive(Debug, Default)]
enum Writing {
    /// Another process writes the file.
    #[default]
    Other,
    /// The file must be written anew.
    Anew,
    File(CountFile),
}

#[derive(Debug)]
struct CountFile {
    file: File,
    length: u64,
    /// The length of the file after it was written anew.
    compact: u64,
}

impl KeptCounts {
    /// Makes the counters, with the names that the file has. A damaged file is kept aside.
    pub(super) fn open(
        folder: &Path,
        clock: &dyn Clock,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let path = folder.join(FILE);
        let keys = match read_keys(&path) {
            Some(keys) => keys,
            None => random_keys()?,
        };
        let scale = TimeScale::begin(clock.moment(), clock.milliseconds());
        let counters = Arc::new(Counters::new(0, keys, scale));
        Ok(Self { path, counters, file: Mutex::default(), failures: AtomicU64::new(0) })
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Times that the file could not be written.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Reads the file, and writes it from now on.
    pub(super) fn own(&self, throttling: &CompiledThrottling, now: CountingTime) {
        match fs::metadata(&self.path).map(|_| self.read()) {
            Ok(Ok(saved)) => self.restore(throttling, saved, now),
            Ok(Err(error)) => self.damaged(&error),
            // no file yet
            Err(_) => {}
        }
        self.take_back(now);
    }

    /// Adds the changed counts to the file.
    pub(super) fn write(&self, now: CountingTime) {
        let mut held = self.lock();
        let appended = match &mut *held {
            Writing::Other => return,
            Writing::Anew => None,
            Writing::File(file) => {
                let appended = self.append(file, now);
                let long = file.length > LEAST_REWRITE.max(file.compact * GROWTH);
                // after a failure, a part of a batch may be in the file: nothing could be read
                // behind it
                Some(appended).filter(|appended| appended.is_ok() && !long)
            }
        };
        let written = match appended {
            Some(appended) => appended,
            None => {
                *held = Writing::Anew;
                self.rewrite(now).map(|file| *held = Writing::File(file))
            }
        };
        drop(held);
        self.note(written);
    }

    /// Writes the last changes and lets the file go: another process counts from here.
    pub(super) fn hand_over(&self, now: CountingTime) {
        self.write(now);
        *self.lock() = Writing::Other;
    }

    /// Writes the file from now on, beginning with everything that is counted.
    pub(super) fn take_back(&self, now: CountingTime) {
        *self.lock() = Writing::Anew;
        self.write(now);
    }

    fn append(&self, file: &mut CountFile, now: CountingTime) -> io::Result<()> {
        let mut batch = Batch::new(self.counters.keys(), now.steady);
        let mut full = Vec::new();
        self.counters.changed(Follower::StateDir, |counter| {
            batch.add(counter);
            if batch.len() > BATCH_BYTES {
                full.push(std::mem::replace(
                    &mut batch,
                    Batch::new(self.counters.keys(), now.steady),
                ));
            }
        });
        full.push(batch);
        for batch in full.into_iter().filter(|batch| !batch.is_empty()) {
            file.add(batch)?;
        }
        file.file.sync_data()
    }

    /// Writes all counters to a new file, which replaces the old one.
    fn rewrite(&self, now: CountingTime) -> io::Result<CountFile> {
        let new = self.path.with_extension("new");
        let keys = self.counters.keys();
        let mut file = CountFile { file: state_dir::create(&new)?, length: 0, compact: 0 };
        file.put(&head(keys))?;
        let mut batch = Batch::new(keys, now.steady);
        let mut written = Ok(());
        self.counters.each(|counter| {
            if !counter.limit().followers.has(Follower::StateDir) {
                return;
            }
            batch.add(counter);
            if batch.len() > BATCH_BYTES && written.is_ok() {
                written = file.add(std::mem::replace(&mut batch, Batch::new(keys, now.steady)));
            }
        });
        written?;
        if !batch.is_empty() {
            file.add(batch)?;
        }
        file.file.sync_data()?;
        state_dir::replace(&new, &self.path)?;
        file.compact = file.length;
        Ok(file)
    }

    fn read(&self) -> io::Result<Vec<SavedCounter>> {
        let mut bytes = Vec::new();
        state_dir::read(&self.path)?.read_to_end(&mut bytes)?;
        let keys = self.counters.keys();
        let damaged = |text| io::Error::new(io::ErrorKind::InvalidData, text);
        if read_head(&bytes) != Some(keys) {
            return Err(damaged("its head is damaged, or of another version"));
        }
        let batches = bytes.get(HEAD_BYTES..).unwrap_or_default();
        let (saved, sound) = read_batches(keys, batches);
        if sound < batches.len() {
            let lost = batches.len() - sound;
            tracing::warn!(
                target: "portcullis::throttle",
                lost,
                "the last counts in state_dir were cut off; those before them hold",
            );
        }
        Ok(saved)
    }

    fn restore(
        &self,
        throttling: &CompiledThrottling,
        saved: Vec<SavedCounter>,
        now: CountingTime,
    ) {
        let limits: HashMap<CounterKey, &Arc<Limit>> =
            throttling.every_limit().map(|limit| (limit.base(), limit)).collect();
        self.counters.set_most(throttling.max_counters);
        let mut restored = 0_usize;
        for saved in saved {
            let Some(limit) = limits.get(&saved.base) else { continue };
            let counted = saved.counted_at(limit, now);
            self.counters.absorb(CounterClaim { limit, key: saved.key }, &counted, now);
            restored += 1;
        }
        if restored > 0 {
            tracing::info!(
                target: "portcullis::throttle",
                counters = restored,
                "counts of long quotas go on",
            );
        }
    }

    fn damaged(&self, error: &io::Error) {
        tracing::error!(
            target: "portcullis::throttle",
            %error,
            file = %self.path.display(),
            "counts of long quotas cannot be read and begin anew",
        );
    }

    fn note(&self, written: io::Result<()>) {
        if let Err(error) = written
            && self.failures.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::error!(
                target: "portcullis::throttle",
                %error,
                file = %self.path.display(),
                "counts of long quotas cannot be written: a restart would forget them",
            );
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Writing> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CountFile {
    fn add(&mut self, batch: Batch) -> io::Result<()> {
        self.put(&batch.into_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Writes counts, and forgets idle counters, for as long as the gateway runs.
pub(super) async fn keep(counts: Arc<KeptCounts>, clock: Arc<dyn Clock>) {
    let mut part = 0;
    loop {
        tokio::time::sleep(EACH).await;
        let (counts, now) = (Arc::clone(&counts), time(&counts, &*clock));
        part = (part + 1) % SWEEP_PARTS;
        // a failure is counted and logged there; the next second tries again
        let _ = tokio::task::spawn_blocking(move || {
            counts.write(now);
            counts.counters.sweep(part, SWEEP_PARTS, now);
        })
        .await;
    }
}

/// Returns the time at which these counters count.
pub(super) fn time(counts: &KeptCounts, clock: &dyn Clock) -> CountingTime {
    counts.counters.time(clock.moment(), clock.milliseconds())
}

fn read_keys(path: &Path) -> Option<KeySpace> {
    let mut bytes = vec![0; HEAD_BYTES];
    state_dir::read(path).ok()?.read_exact(&mut bytes).ok()?;
    read_head(&bytes)
}

fn random_keys() -> Result<KeySpace, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)?;
    Ok(KeySpace::from_bytes(bytes))
}

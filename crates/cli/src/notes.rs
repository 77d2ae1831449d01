use storage::{JobWait, Storage, StorageError};

use crate::output;

/// Jobs noted in one statement.
const NOTES_MAX: usize = 1000;

/// Notes jobs that are about to be enqueued, so that no note is later than the outcome.
pub(crate) async fn note(storage: &Storage, waits: &[JobWait]) -> Result<(), StorageError> {
    for some in waits.chunks(NOTES_MAX) {
        if let Err(error) = storage.note_waits(some).await {
            take_back(storage, waits).await;
            return Err(error);
        }
    }
    Ok(())
}

/// Takes notes back: jobs that may not be there are not to be told as queued. One that is there all the same is found once a
/// worker has it.
pub(crate) async fn take_back(storage: &Storage, waits: &[JobWait]) {
    for waits in waits.chunks(NOTES_MAX) {
        if let Err(error) = storage.forget_enqueued(waits).await {
            output::complain(&format!(
                "note: `account why` may tell of jobs that are not there: {}",
                pipeline::chain(&error)
            ));
            return;
        }
    }
}

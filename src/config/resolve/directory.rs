//! Collects applications: those of tables, of application files and of the store, in this order.
//!
//! Reading a million lines takes seconds of a core, which a reload takes from requests. So an
//! application file whose content is the one of the reading in force is not read again: the tables'
//! applications are compared with those of that reading, and the difference is applied to its
//! directory. If anything else differs, or if an application conflicts with another one, all files
//! are read, and report what is wrong.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::resolve::earlier_reading::ReadApplicationFiles;
use crate::config::resolve::references::References;
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::{application, application_files};
use crate::config::source::Sources;
use crate::config::stored::StoredApplications;
use crate::model::directory::{Directory, DirectoryBuilder};
use crate::model::provenance::SourceFiles;

/// All applications, and the files that their places point to.
pub(super) struct CollectedApplications {
    pub(super) directory: Directory,
    pub(super) files: SourceFiles,
    /// Tells how to read less the next time; `None` without application files.
    pub(super) read: Option<Arc<ReadApplicationFiles>>,
}

/// Collects the applications of files, and of the store.
pub(super) fn collect(
    roots: &RootTables<'_>,
    sources: &Sources,
    references: &Arc<References>,
    applications: StoredApplications<'_>,
) -> CollectedApplications {
    let (stored, earlier) = match applications {
        StoredApplications::Unchanged { directory, files } => {
            return CollectedApplications { directory, files, read: None };
        }
        StoredApplications::Each(stored) => (Some(stored), None),
        StoredApplications::NoneSince(earlier) => (None, Some(earlier)),
        StoredApplications::None => (None, None),
    };
    let problems = roots.problems;
    let mut tables = DirectoryBuilder::default();
    application::applications(roots, sources, references, &mut tables);
    let tables = tables.build();
    let named = roots.application_files();
    let mut files = sources.files();
    if let Some(earlier) = &earlier {
        let paths: Vec<PathBuf> = named.iter().map(|own| sources.resolve(own.value)).collect();
        if let Some(directory) = earlier.followed_by(&tables, references, &files, &paths) {
            for path in paths {
                problems.watch(path);
            }
            let (stamps, files) = (earlier.read.stamps.clone(), earlier.read.files.clone());
            let references = Arc::clone(references);
            let read = ReadApplicationFiles { references, stamps, tables, files: files.clone() };
            return CollectedApplications { directory, files, read: Some(Arc::new(read)) };
        }
    }
    let mut builder = DirectoryBuilder::default();
    for written in tables.applications() {
        // cannot conflict: they are of one directory
        let _ = builder.add(&written.to_application());
    }
    let stamps =
        application_files::stream(&named, sources, references, &mut builder, &mut files, problems);
    if let Some(stored) = stored {
        application_files::stored(stored, sources, references, &mut builder, problems);
    }
    let read = (!stamps.is_empty()).then(|| {
        let references = Arc::clone(references);
        Arc::new(ReadApplicationFiles { references, stamps, tables, files: files.clone() })
    });
    CollectedApplications { directory: builder.build(), files, read }
}

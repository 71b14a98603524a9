//! The tags that are pushed to the registry of local runs during a run.

use std::time::SystemTime;

use super::limit::by_age;
use super::service::Service;
use super::store::Store;

/// Reports which tags are pushed.
#[derive(Debug, Clone)]
pub struct Pushes(By);

#[derive(Debug, Clone)]
enum By {
    /// The requests to a server in this process.
    Requests(Service),
    /// A directory that another process serves.
    Files(Store),
}

/// A moment, to ask for later pushes.
#[derive(Debug, Default)]
pub struct Moment {
    requests: usize,
    tags: Vec<(SystemTime, String)>,
}

impl Pushes {
    pub(super) fn of_server(service: Service) -> Self {
        Self(By::Requests(service))
    }

    pub(super) fn of_directory(store: Store) -> Self {
        Self(By::Files(store))
    }

    /// The moment of this call.
    pub fn now(&self) -> Moment {
        match &self.0 {
            By::Requests(service) => Moment { requests: service.pushes(), tags: Vec::new() },
            By::Files(store) => Moment { requests: 0, tags: tags(store) },
        }
    }

    /// The tags, as `name:tag`, that were pushed since a moment. In this process, a tag that a client found with
    /// HEAD counts too: containerd and crane do not push the same bytes again.
    pub fn since(&self, moment: &Moment) -> Vec<String> {
        match &self.0 {
            By::Requests(service) => service.pushed_after(moment.requests),
            By::Files(store) => {
                let new = tags(store).into_iter().filter(|tag| !moment.tags.contains(tag));
                new.map(|(_, tag)| tag).collect()
            }
        }
    }
}

/// All tags with the times when they were written. Empty if the directory cannot be read.
fn tags(store: &Store) -> Vec<(SystemTime, String)> {
    let tags = by_age(store).unwrap_or_default().into_iter();
    tags.map(|(written, repository, tag)| (written, format!("{repository}:{}", tag.as_str()))).collect()
}

//! Which tags are pushed to the registry of local runs while a run lasts.

use std::time::SystemTime;

use super::limit::by_age;
use super::service::Service;
use super::store::Store;

/// Tells which tags are pushed.
#[derive(Debug, Clone)]
pub struct Pushes(By);

#[derive(Debug, Clone)]
enum By {
    /// The requests to a server of this process.
    Requests(Service),
    /// The directory that another process serves.
    Files(Store),
}

/// A moment: what is pushed later comes after it.
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

    /// The tags, as `name:tag`, that were pushed since a moment. In this process one that a client asked for by
    /// HEAD and found counts as well: containerd and crane push the same bytes no second time.
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

/// Every tag with the time at which it was written; none where the directory cannot be read.
fn tags(store: &Store) -> Vec<(SystemTime, String)> {
    let tags = by_age(store).unwrap_or_default().into_iter();
    tags.map(|(written, repository, tag)| (written, format!("{repository}:{}", tag.as_str()))).collect()
}

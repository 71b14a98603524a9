//! Which tags are pushed to the registry of local runs while a run lasts.

use std::sync::Arc;
use std::time::SystemTime;

use super::limit::by_age;
use super::log::Entry;
use super::service::Service;
use super::store::Store;

/// Tells which tags are pushed.
#[derive(Debug, Clone)]
pub struct Pushes(By);

#[derive(Debug, Clone)]
enum By {
    /// The requests to a server of this process.
    Requests(Arc<Service>),
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
    pub(super) fn of_server(service: &Arc<Service>) -> Self {
        Self(By::Requests(Arc::clone(service)))
    }

    pub(super) fn of_directory(store: Store) -> Self {
        Self(By::Files(store))
    }

    /// The moment of this call.
    pub fn now(&self) -> Moment {
        match &self.0 {
            By::Requests(service) => Moment { requests: service.log.entries().len(), tags: Vec::new() },
            By::Files(store) => Moment { requests: 0, tags: tags(store) },
        }
    }

    /// The tags, as `name:tag`, that were pushed since a moment. In this process one that a client asked for by
    /// HEAD and found counts as well: containerd and crane push the same bytes no second time.
    pub fn since(&self, moment: &Moment) -> Vec<String> {
        let pushed = |entry: Entry| {
            let path = entry.path.strip_prefix("/v2/")?;
            let (name, tag) = path.rsplit_once("/manifests/")?;
            let done =
                matches!((entry.method.as_str(), entry.status), ("PUT", Some(201)) | ("HEAD", Some(200)));
            done.then(|| format!("{name}:{tag}"))
        };
        match &self.0 {
            By::Requests(service) => {
                service.log.entries().into_iter().skip(moment.requests).filter_map(pushed).collect()
            }
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

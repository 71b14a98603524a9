//! Workflows on Google Cloud: the job may ask for id tokens, and gives tenant, project and environment.

use super::{Job, Scene};
use crate::cloud::{Cloud, GCLOUD, MAKEFILE, SWITCHES};

#[test]
fn a_push_goes_from_one_project_to_the_other() {
    let cloud = Cloud::new();
    let own = format!("{MAKEFILE}{SWITCHES}");
    let settings = cloud.settings(&[]);
    let mut scene = Scene::new(&[
        (".p2p.yaml", &settings),
        ("native/Makefile", MAKEFILE),
        ("switches/Makefile", &own),
        ("switches/gcloud", GCLOUD),
    ]);
    scene.variables = cloud.google.variables().into();
    let inputs = cloud.inputs();
    let job = |name: &str| {
        let job = Job::bare(name).apart();
        inputs.iter().fold(job, |job, (name, value)| job.with(name, value)).with("app-name", name)
    };
    let ended = scene.push(&[job("native"), job("switches").needs("native")]);
    ended.run.passed();
    for name in ["native", "switches"] {
        let steps = ended.steps(name);
        assert_eq!((steps[0].as_str(), steps[3].as_str()), ("preflight passed", "subnamespaces passed"));
        assert!(steps.iter().all(|step| step.ends_with(" passed")), "{steps:?}");
        assert_eq!(
            ended.file(name, "logs/p2p-nft.log").lines().next_back(),
            Some(&*format!("shop-{name}-nft"))
        );
        let promoted = &ended.json(name, "promoted")[0];
        assert_eq!(promoted["digest"], ended.json(name, "images")[0]["digest"]);
        let destination = format!("{}/extended-test/{name}:0.0.1", cloud.registry.of("acme-prod"));
        assert_eq!(promoted["destination"], destination.as_str());
        assert!(ended.file(name, "temporary").starts_with("p2p-logs-"));
    }
    let log = ended.run.log();
    for secret in cloud.google.secrets() {
        let shown = log.lines().filter(|line| !line.contains("add-mask")).any(|line| line.contains(&secret));
        assert!(!shown, "{secret}");
    }
    let log = ended.log("switches");
    assert!(log.contains("acts as the own identity p2p-shop@acme-dev.iam.gserviceaccount.com"), "{log}");
    assert!(
        log.contains("acts as the destination identity p2p-shop@acme-prod.iam.gserviceaccount.com"),
        "{log}"
    );
}

//! Reads k6's summary: the data for `handleSummary`, or the file of `--summary-export`. Each threshold and each
//! check counts as a test. <https://grafana.com/docs/k6/latest/results-output/end-of-test/custom-summary/>

use std::io::{BufRead, Read};

use serde_json::Value;

use super::Unreadable;
use super::tally::{Ending, Problem, Tally, Test};

/// The largest summary, in bytes. A larger file contains single measurements.
const LARGEST: u64 = 4 << 20;

pub(super) fn read(report: &mut impl BufRead, tally: &mut Tally) -> Result<(), Unreadable> {
    let mut text = Vec::new();
    let read = report.take(LARGEST + 1).read_to_end(&mut text);
    read.map_err(|error| Unreadable::Broken(error.to_string()))?;
    if text.len() as u64 > LARGEST {
        return Err(Unreadable::NoReport);
    }
    let summary: Value = serde_json::from_slice(&text).map_err(|_| Unreadable::NoReport)?;
    let (Some(metrics), Some(group)) = (summary["metrics"].as_object(), summary["root_group"].as_object())
    else {
        return Err(Unreadable::NoReport);
    };
    for (name, metric) in metrics {
        for (threshold, result) in metric["thresholds"].as_object().into_iter().flatten() {
            // The exported file says whether the threshold was crossed, `handleSummary` whether it holds.
            let ok = result["ok"].as_bool().or(result.as_bool().map(|crossed| !crossed));
            tally.take(Test {
                suite: "k6 thresholds".to_owned(),
                name: format!("{name}: {threshold}"),
                problem: (ok != Some(true)).then(|| problem(&crossed(threshold, metric))),
                ..Test::default()
            });
        }
    }
    checks(group.get("name").and_then(Value::as_str).unwrap_or_default(), &summary["root_group"], tally);
    Ok(())
}

/// Adds the checks of a group and of its subgroups. `serde_json` limits their depth.
fn checks(path: &str, group: &Value, tally: &mut Tally) {
    for (name, check) in named(&group["checks"]) {
        let count = |field: &str| check[field].as_u64().unwrap_or_default();
        let (passes, fails) = (count("passes"), count("fails"));
        let message = format!("{fails} of {} failed", passes.saturating_add(fails));
        tally.take(Test {
            suite: if path.is_empty() { "k6 checks".to_owned() } else { format!("k6 checks: {path}") },
            name: name.to_owned(),
            problem: (fails > 0).then(|| problem(&message)),
            ..Test::default()
        });
    }
    for (name, inner) in named(&group["groups"]) {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path} › {name}") };
        checks(&path, inner, tally);
    }
}

/// The members of a list, or of a map with their names.
fn named(value: &Value) -> Vec<(&str, &Value)> {
    match value {
        Value::Array(list) => {
            list.iter().filter_map(|value| Some((value["name"].as_str()?, value))).collect()
        }
        Value::Object(map) => map.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        _ => Vec::new(),
    }
}

fn problem(message: &str) -> (Ending, Problem) {
    (Ending::Failed, Problem { message: message.to_owned(), stack: String::new() })
}

/// The measured value for a threshold: `p(95)` for `p(95)<500`.
fn crossed(threshold: &str, metric: &Value) -> String {
    let measured = threshold.split(['<', '>', '=', '!']).next().unwrap_or_default().trim();
    let values = if metric["values"].is_object() { &metric["values"] } else { metric };
    // The exported file calls a rate `value`.
    let value = [measured, "value"].into_iter().find_map(|name| values[name].as_f64());
    match value {
        Some(value) => format!("{measured} is {value}"),
        None => "the threshold was crossed".to_owned(),
    }
}

//! Reads inputs one after the other, even if some are invalid.

use super::{InputKind, InputSpec, Value};
use sys::error::Failure;
use workflow_commands::Secret;

/// Reads the inputs in the order of the list.
pub(super) struct Reader<T> {
    specs: std::slice::Iter<'static, InputSpec>,
    text: T,
    /// As in [`Read`](super::Read).
    pub(super) wrong: Vec<Failure>,
    pub(super) names: Vec<&'static str>,
    pub(super) secrets: Vec<Secret>,
}

impl<T: Fn(&InputSpec) -> Option<String>> Reader<T> {
    pub(super) fn new(specs: &'static [InputSpec], text: T) -> Self {
        let (wrong, names, secrets) = (Vec::new(), Vec::new(), Vec::new());
        Self { specs: specs.iter(), text, wrong, names, secrets }
    }

    pub(super) fn next<F: Field>(&mut self) -> Result<F, Failure> {
        let spec = self.specs.next().ok_or_else(|| Failure::usage("the list of inputs is short", ""))?;
        let text = (self.text)(spec);
        if let Some(text) = text.as_deref().filter(|_| spec.is_secret()) {
            self.secrets.extend(F::secrets(text));
        }
        F::read(spec, text.as_deref()).or_else(|failure| {
            self.wrong.push(failure);
            self.names.push(spec.name);
            F::read(spec, None)
        })
    }
}

/// A field of [`Inputs`](super::Inputs): a value, or one that may be missing.
pub(super) trait Field: Sized {
    const KIND: InputKind;
    fn read(spec: &InputSpec, text: Option<&str>) -> Result<Self, Failure>;
    fn secrets(text: &str) -> Vec<Secret>;
    fn text(&self) -> Option<String>;
}

impl<T: Value> Field for Option<T> {
    const KIND: InputKind = T::KIND;

    fn read(spec: &InputSpec, text: Option<&str>) -> Result<Self, Failure> {
        text.map(|text| T::parse(text).map_err(|expected| wrong(spec, text, &expected))).transpose()
    }

    fn text(&self) -> Option<String> {
        self.as_ref().and_then(Value::text)
    }

    fn secrets(text: &str) -> Vec<Secret> {
        T::secrets(text)
    }
}

impl<T: Value> Field for T {
    const KIND: InputKind = T::KIND;

    fn read(spec: &InputSpec, text: Option<&str>) -> Result<Self, Failure> {
        let text = text.or(spec.default).unwrap_or_default();
        T::parse(text).map_err(|expected| wrong(spec, text, &expected))
    }

    fn text(&self) -> Option<String> {
        Value::text(self)
    }

    fn secrets(text: &str) -> Vec<Secret> {
        T::secrets(text)
    }
}

fn wrong(spec: &InputSpec, text: &str, expected: &str) -> Failure {
    let what = if spec.is_secret() {
        format!("the input `{}` cannot be read", spec.name)
    } else {
        format!("the input `{}` is {text:?}", spec.name)
    };
    Failure::usage(what, format!("{expected}; nothing was run"))
}

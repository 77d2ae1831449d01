use serde_json::{Map, Value};

use crate::TaskMessage;
use crate::repr::repr_str;

/// The caller's arguments do not fit the task's parameters; the text is that of Python's `TypeError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadArguments(String);

/// The parameters of a task, in order, each to be given by position or by name.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    /// Parameters without a default.
    pub required: &'a [&'a str],
    /// Parameters after them that have one.
    pub optional: &'a [&'a str],
}

/// Binds a task's arguments to parameter names that all have a default: [`Parameters::bind`] without required ones.
///
/// # Errors
///
/// As [`Parameters::bind`].
pub fn bind(task: &TaskMessage, names: &[&str]) -> Result<Map<String, Value>, BadArguments> {
    Parameters { required: &[], optional: names }.bind(task)
}

impl Parameters<'_> {
    /// The arguments by parameter name; an optional parameter not given is absent, a null stays null.
    ///
    /// # Errors
    ///
    /// Too many positional arguments, an unknown keyword, an argument given twice, a required one missing. Types
    /// are not checked.
    pub fn bind(&self, task: &TaskMessage) -> Result<Map<String, Value>, BadArguments> {
        let function = task.task.rsplit('.').next().unwrap_or_default();
        let fail = |text: String| Err(BadArguments(format!("{function}() {text}")));
        let names = || self.required.iter().chain(self.optional).copied();
        if task.args.len() > self.required.len() + self.optional.len() {
            return fail(self.too_many(task.args.len()));
        }
        let by_position = names().map(str::to_owned).zip(task.args.iter().cloned());
        let mut bound: Map<String, Value> = by_position.collect();
        for (name, value) in &task.kwargs {
            if !names().any(|known| known == name) {
                return fail(format!("got an unexpected keyword argument {}", repr_str(name, 80)));
            }
            if bound.insert(name.clone(), value.clone()).is_some() {
                return fail(format!("got multiple values for argument {}", repr_str(name, 80)));
            }
        }
        let missing: Vec<_> = self.required.iter().filter(|name| !bound.contains_key(**name)).collect();
        if missing.is_empty() { Ok(bound) } else { fail(self::missing(&missing)) }
    }

    fn too_many(&self, given: usize) -> String {
        let (least, most) = (self.required.len(), self.required.len() + self.optional.len());
        let takes = match (least, most) {
            (1, 1) => "1 positional argument".to_owned(),
            (least, most) if least == most => format!("{most} positional arguments"),
            (least, most) => format!("from {least} to {most} positional arguments"),
        };
        format!("takes {takes} but {given} {} given", if given == 1 { "was" } else { "were" })
    }
}

fn missing(names: &[&&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    let listed = match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [one, other] => format!("{one} and {other}"),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    };
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("missing {} required positional argument{plural}: {listed}", names.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Envelope, decode};

    const SYNC: Parameters<'static> =
        Parameters { required: &["organization_id", "pseudo_account"], optional: &["force", "check"] };

    fn task(args: Value, kwargs: Value) -> TaskMessage {
        let headers = json!({"task": "app.tasks.sync", "id": "1"});
        let body = json!([args, kwargs, null]).to_string();
        decode(&Envelope {
            content_type: Some("application/json"),
            content_encoding: None,
            correlation_id: None,
            headers: headers.as_object().unwrap(),
            body: body.as_bytes(),
        })
        .unwrap()
    }

    #[test]
    fn positional_and_named_arguments_bind_to_the_same_names() {
        let expected = json!({"organization_id": "o", "pseudo_account": "a", "check": false});
        for (args, kwargs) in [
            (json!(["o", "a"]), json!({"check": false})),
            (json!(["o"]), json!({"pseudo_account": "a", "check": false})),
            (json!([]), json!({"organization_id": "o", "pseudo_account": "a", "check": false})),
        ] {
            assert_eq!(Value::from(SYNC.bind(&task(args, kwargs)).unwrap()), expected);
        }
    }

    #[test]
    fn wrong_arguments_are_refused_in_pythons_words() {
        for (args, kwargs, expected) in [
            (
                json!([1, 2, 3, 4, 5]),
                json!({}),
                "sync() takes from 2 to 4 positional arguments but 5 were given",
            ),
            (json!([1, 2]), json!({"x'y": 1}), "sync() got an unexpected keyword argument \"x'y\""),
            (
                json!([1, 2]),
                json!({"pseudo_account": 3}),
                "sync() got multiple values for argument 'pseudo_account'",
            ),
            (json!([1]), json!({}), "sync() missing 1 required positional argument: 'pseudo_account'"),
            (
                json!([]),
                json!({}),
                "sync() missing 2 required positional arguments: 'organization_id' and 'pseudo_account'",
            ),
        ] {
            assert_eq!(SYNC.bind(&task(args, kwargs)).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_task_without_parameters_takes_no_arguments() {
        assert!(bind(&task(json!([]), json!({})), &[]).unwrap().is_empty());
        let error = bind(&task(json!([1]), json!({})), &[]).unwrap_err();
        assert_eq!(error.to_string(), "sync() takes 0 positional arguments but 1 was given");
        let error = bind(&task(json!([1, 2]), json!({})), &["x"]).unwrap_err();
        assert_eq!(error.to_string(), "sync() takes from 0 to 1 positional arguments but 2 were given");
    }
}

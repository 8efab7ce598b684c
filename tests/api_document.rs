//! The OpenAPI document: complete, and sound in itself. That the server keeps to it is what `scripts/schemathesis` shows.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use serde_json::Value;
use tentetsu::control::api::document;

const METHODS: [&str; 4] = ["get", "put", "post", "delete"];

fn told() -> Value {
    serde_json::to_value(document()).unwrap()
}

/// Path, method and operation.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let methods = METHODS
                .iter()
                .filter_map(|method| Some((*method, item.get(*method)?)));
            methods.map(|(method, operation)| (path.as_str(), method, operation))
        })
        .collect()
}

#[test]
fn every_operation_says_what_it_takes_and_answers() {
    let document = told();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let operations = operations(&document);
    assert_eq!(operations.len(), 35);
    for (path, method, operation) in operations {
        let at = format!("{method} {path}");
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{at}"
        );
        let answers = operation["responses"].as_object().unwrap();
        let writes = method != "get";
        for status in ["200", "400", "401", "403", "503"] {
            assert!(answers.contains_key(status), "{at}: {status}");
        }
        for status in ["409", "412", "422"] {
            assert_eq!(answers.contains_key(status), writes, "{at}: {status}");
        }
        for status in ["413", "415"] {
            assert_eq!(
                answers.contains_key(status),
                method == "put",
                "{at}: {status}"
            );
        }
        assert_eq!(
            operation["requestBody"].is_object(),
            method == "put",
            "{at}"
        );
        for name in path
            .split('{')
            .skip(1)
            .map(|rest| rest.split('}').next().unwrap())
        {
            let given = operation["parameters"].as_array().unwrap().iter();
            let named = given.filter(|of| of["in"] == "path" && of["name"] == name);
            assert_eq!(named.count(), 1, "{at}: {name}");
        }
    }
}

/// All that is read of a definition has a place in what is sent.
#[test]
fn what_is_read_can_be_sent_back() {
    let document = told();
    let keys = |schema: &str| {
        let schema = &document["components"]["schemas"][schema]["properties"];
        let keys: Vec<String> = schema.as_object().unwrap().keys().cloned().collect();
        keys
    };
    for (read, sent) in [
        ("CurrentState", "Definitions"),
        ("ServiceState", "ServiceSpec"),
        ("PoolState", "PoolSpec"),
        ("BackendState", "BackendSpec"),
    ] {
        assert_eq!(keys(read), keys(sent), "{read}");
    }
}

fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| match value.as_str() {
            Some(target) if key == "$ref" => found.push(target),
            _ => references(value, found),
        }),
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = told();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for target in found {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{target}");
    }
}

#[test]
fn the_readme_has_every_path() {
    let readme = include_str!("../README.md");
    let section = readme.split("## The API").nth(1).unwrap();
    let table: String = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    for (path, _, _) in operations(&told()) {
        let last = path
            .split('/')
            .rfind(|part| !part.starts_with('{'))
            .unwrap();
        assert!(table.contains(last), "{path}");
    }
}

use serde_json::json;

use super::*;

/// What a reading of the field `x` of this object says.
fn read<T: std::fmt::Debug>(
    object: Value,
    read: impl Fn(&Fields<'_>) -> Result<T, BrokerageError>,
) -> Result<T, String> {
    let fields = Fields::of("rows[3]".to_owned(), &object).unwrap();
    read(&fields).map_err(|error| error.to_string().replace("answer not understood: rows[3].", ""))
}

#[test]
fn an_empty_text_is_no_value() {
    for none in [json!({}), json!({"x": null}), json!({"x": ""}), json!({"x": " \t"})] {
        assert_eq!(read(none.clone(), |fields| fields.owned("x")), Ok(None), "{none}");
        assert_eq!(read(none.clone(), |fields| fields.number("x")), Ok(None), "{none}");
        let required = read(none, |fields| fields.required_text("x").map(str::to_owned));
        assert_eq!(required, Err("x: missing".to_owned()));
    }
    assert_eq!(read(json!({"x": " a b "}), |fields| fields.owned("x")), Ok(Some("a b".to_owned())));
}

#[test]
fn a_wrong_type_names_its_place() {
    for (value, expected) in [
        (json!(7), "x: 7 is not text"),
        (json!(true), "x: true is not text"),
        (json!([]), "x: a list is not text"),
        (json!({}), "x: an object is not text"),
        (json!("a\0b"), "x: holds a NUL character"),
    ] {
        assert_eq!(read(json!({ "x": value }), |fields| fields.owned("x")), Err(expected.to_owned()));
    }
    for (value, expected) in [
        (json!("many"), "x: \"many\" is not a number"),
        (json!(false), "x: false is not a number"),
        (json!({}), "x: an object is not a number"),
    ] {
        assert_eq!(read(json!({ "x": value }), |fields| fields.number("x")), Err(expected.to_owned()));
    }
    assert!(Fields::of("rows[3]".to_owned(), &json!([])).is_err());
}

#[test]
fn ids_and_words_have_a_limit_and_prose_has_none() {
    let long = |length: usize| json!({"x": "é".repeat(length)});
    assert!(read(long(100), |fields| fields.owned("x")).is_ok());
    let expected = Err("x: 202 bytes are more than 200".to_owned());
    assert_eq!(read(long(101), |fields| fields.owned("x")), expected);
    assert_eq!(read(long(101), |fields| fields.id("x")), expected);
    assert_eq!(read(long(101), |fields| fields.required_word("x").map(Some)), expected);
    assert!(read(long(5_000), |fields| fields.prose("x").map(|text| text.map(str::len))).is_ok());
    let listed = json!({"x": ["a", 5, "", "é".repeat(101)]});
    let words = read(listed, |fields| fields.words("x").map(|words| words.join(" ")));
    assert_eq!(words, Err("x: 202 bytes are more than 200".to_owned()));
}

#[test]
fn an_id_may_be_a_whole_number() {
    let id = |value: Value| read(json!({ "x": value }), |fields| fields.id("x"));
    assert_eq!(id(json!(1_953_367_517_640_548_352_u64)), Ok(Some("1953367517640548352".to_owned())));
    assert_eq!(id(json!("007")), Ok(Some("007".to_owned())));
    assert_eq!(id(json!(1.5)), Err("x: 1.5 is not text".to_owned()));
    assert_eq!(id(json!(null)), Ok(None));
}

#[test]
fn quantities_counts_and_prices_have_their_bounds() {
    let quantity = |value: Value| read(json!({ "x": value }), |fields| fields.quantity("x"));
    assert_eq!(quantity(json!(-1)), Err("x: -1 is less than nothing".to_owned()));
    assert_eq!(quantity(json!(-0.0)).unwrap().unwrap(), Decimal::ZERO);
    let over = |value: Value| read(json!({ "x": value }), |fields| fields.over_nothing("x"));
    assert_eq!(over(json!(0)), Err("x: nothing".to_owned()));
    assert_eq!(over(json!("0.5")), Ok("0.5".parse().unwrap()));
    let count = |value: Value| read(json!({ "x": value }), |fields| fields.count("x"));
    assert_eq!(count(json!(5)), Ok(5));
    for wrong in [json!(0), json!(-1), json!(null), json!(4_294_967_296_u64)] {
        assert_eq!(count(wrong), Err("x: no count from 1".to_owned()));
    }
    assert_eq!(count(json!(1.5)), Err("x: 1.5 is not a whole number".to_owned()));
    let price = |value: Value| read(json!({ "x": value }), |fields| fields.price("x"));
    assert_eq!(price(json!(0)), Ok(None));
    let factor = |value: Value| read(json!({ "x": value }), |fields| fields.factor("x"));
    assert_eq!((factor(json!(0)), factor(json!(-1))), (Ok(None), Ok(None)));
    assert_eq!(factor(json!(1_000)), Ok(Some(Decimal::ONE_THOUSAND)));
}

#[test]
fn a_time_before_1970_is_none() {
    let parse = |text: &str| text.parse().ok();
    let at = |text: &str| read(json!({ "x": text }), |fields| fields.instant("x", parse));
    assert_eq!(at("0001-01-01T00:00:00Z"), Ok(None));
    assert_eq!(at("2025-06-17T10:00:00Z").unwrap().unwrap().timestamp(), 1_750_154_400);
    assert_eq!(at("noon"), Err("x: \"noon\" is no time".to_owned()));
}

#[test]
fn a_nul_anywhere_in_the_whole_is_found_and_only_a_nul() {
    let expected = Err("*: holds a NUL character".to_owned());
    for nul in [json!({"a": [{"b": "\0"}]}), json!({"a\0": 1}), json!({"a": {"b\0": 1}})] {
        assert_eq!(read(nul, |fields| fields.raw()), expected);
    }
    let harmless = json!({"a": "\\u0000"});
    assert_eq!(read(harmless.clone(), |fields| fields.raw()), Ok(harmless.to_string()));
}

#[test]
fn one_row_that_cannot_be_read_spoils_the_list() {
    let rows = [json!({"x": "a"}), json!({"x": 7})];
    let read =
        |rows: &[Value]| each("rows", rows, |fields| fields.owned("x")).map_err(|error| error.to_string());
    assert_eq!(read(&rows[..1]), Ok(vec![Some("a".to_owned())]));
    assert_eq!(read(&rows), Err("answer not understood: rows[1].x: 7 is not text".to_owned()));
    assert_eq!(read(&[json!(1)]), Err("answer not understood: rows[0] is not an object".to_owned()));
}

//! Payloads and lists: what goes in comes out, by place and in order, from any thread.

use std::sync::Arc;

use holdfast_contract::list::StoredList;
use holdfast_journal::database::Check;
use holdfast_journal::lists::{ListError, ListReader, ListWriter};
use holdfast_journal::resume::{Opened, open};
use holdfast_kernel::failure::Class;
use holdfast_kernel::payload::Payload;
use holdfast_kernel::value::Value;
use proptest::prelude::*;

use crate::host::run_id;
use crate::memory::{Fault, Memory};

fn opened() -> Opened {
    open(Arc::new(Memory::new(Fault::None)), "instance-1", Check::Quick).unwrap()
}

fn write(opened: &Opened, values: &[Value]) -> StoredList {
    let mut writer = ListWriter::new(Arc::clone(&opened.payloads), run_id(1));
    for value in values {
        writer.push_element(value).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn a_long_list_is_read_by_place_and_in_order() {
    let opened = opened();
    let values: Vec<Value> =
        (0_u64..30_000).map(|number| Value::from(format!("item {number} of many"))).collect();
    let list = write(&opened, &values);
    let reader: ListReader<Value> =
        ListReader::open(Arc::clone(&opened.payloads), run_id(1), &list).unwrap();
    assert_eq!(reader.count(), 30_000);
    for place in [0, 1, 2_999, 15_000, 29_999, 7] {
        assert_eq!(reader.get(place).unwrap(), values[place as usize]);
    }
    assert!(matches!(reader.get(30_000), Err(ListError::NoSuchPlace { .. })));
    let read: Vec<Value> = reader.iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(read, values);
}

#[test]
fn an_empty_list_has_no_elements() {
    let opened = opened();
    let list = write(&opened, &[]);
    let reader: ListReader<Value> =
        ListReader::open(Arc::clone(&opened.payloads), run_id(1), &list).unwrap();
    assert_eq!(reader.iter().count(), 0);
    assert!(reader.get(0).is_err());
}

#[test]
fn threads_append_to_one_file_without_meeting() {
    let opened = opened();
    let payloads = &opened.payloads;
    let append = |thread: u8, number: usize| {
        let content = vec![thread; 100 * number];
        (payloads.append(run_id(1), &content).unwrap(), content)
    };
    let append_some =
        &|thread: u8| (0..50).map(|number| append(thread, number)).collect::<Vec<_>>();
    let written: Vec<_> = std::thread::scope(|scope| {
        let spawn = |thread: u8| scope.spawn(move || append_some(thread));
        let threads: Vec<_> = (0..4).map(spawn).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(written.len(), 200);
    for (reference, content) in written {
        assert_eq!(payloads.read(run_id(1), &reference).unwrap(), content);
    }
}

#[test]
fn small_values_are_kept_inline_and_large_ones_are_not() {
    let opened = opened();
    let check = |value: Value, is_inline: bool| {
        let payload = opened.payloads.keep(run_id(1), value.clone()).unwrap();
        assert_eq!(matches!(payload, Payload::Inline(_)), is_inline);
        assert_eq!(opened.payloads.load(run_id(1), &payload).unwrap(), value);
    };
    check(Value::from("x".repeat(1_022)), true);
    check(Value::from("x".repeat(1_023)), false);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn contents_of_any_kind_read_back(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..8)) {
        let opened = opened();
        let references: Vec<_> =
            contents.iter().map(|content| opened.payloads.append(run_id(1), content).unwrap()).collect();
        for (reference, content) in references.iter().zip(&contents) {
            prop_assert_eq!(&opened.payloads.read(run_id(1), reference).unwrap(), content);
        }
    }
}

#[test]
fn a_list_of_more_than_two_million_elements_is_refused_and_that_many_are_kept() {
    let opened = opened();
    let mut writer = ListWriter::new(Arc::clone(&opened.payloads), run_id(1));
    for number in 0_u32..2_000_000 {
        writer.push_element(&number).unwrap();
    }
    let refused = writer.push_element(&0_u32).unwrap_err();
    assert!(matches!(refused, ListError::TooLong), "{refused}");
    assert_eq!(refused.failure().class, Class::Invalid);
    let list = writer.finish().unwrap();
    let reader: ListReader<u32> =
        ListReader::open(Arc::clone(&opened.payloads), run_id(1), &list).unwrap();
    assert_eq!((reader.count(), reader.get(1_999_999).unwrap()), (2_000_000, 1_999_999));
}

//! Records by the batch: a consumer whose partitions' records come on a queue of its own, many at a call and in place.
//! Joining, assigning and committing are not here: that is `member`.
//!
//! With `flush`, the only file with `unsafe` code. rust-rdkafka hands out one record at a time, each behind a call with two
//! clock readings, a lock, and allocations; reading is most of what a caught-up engine costs, so it is worth the exception.
//! What the proofs rest on, as read in librdkafka 2.12.1:
//!
//! - a queue is counted: whoever forwards to it holds it. Destroying our handle empties the queue and makes it refuse what
//!   still comes, so it may go before the consumer's partitions have stopped, but must go before the consumer does;
//! - a message belongs to the caller until `rd_kafka_message_destroy`, its key and payload are not moved before that, and
//!   it holds its topic and partition, which is why it must be destroyed before the consumer;
//! - forwarding moves what has already arrived, and marks the partition so that starting to fetch does not forward it to
//!   the consumer's main queue; stopping to fetch ends the forwarding and leaves the mark. A partition that is not forwarded
//!   again therefore stands still, and its records never come on both queues;
//! - taking from any queue of the consumer counts as polling for `max.poll.interval.ms`;
//! - a call that may wait goes on until the batch is full or the time is over, so only a call for one message waits.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::client::Consume;
use crate::units::{Offset, PartitionIndex, Timestamp};
use crate::worker::{Headers, RawRecord};

/// A consumer and the queue on which the records of its forwarded partitions come.
pub struct BatchConsumer {
    // Dropped in this order: the queue goes before the consumer.
    queue: Queue,
    consumer: Consume,
}

/// The handle of a queue, valid as long as it lives, if its consumer does.
struct Queue(NonNull<bindings::rd_kafka_queue_t>);

/// Messages taken together, given back when this is dropped.
pub struct Batch<'c> {
    messages: Vec<NonNull<bindings::rd_kafka_message_t>>,
    /// They must not outlive the consumer.
    consumer: PhantomData<&'c BatchConsumer>,
}

/// One message of a batch.
#[derive(Clone, Copy)]
pub struct Fetched<'b> {
    message: NonNull<bindings::rd_kafka_message_t>,
    batch: PhantomData<&'b Batch<'b>>,
}

impl BatchConsumer {
    /// Gives `consumer` a queue. Nothing comes on it until a partition is forwarded.
    pub fn new(consumer: Consume) -> KafkaResult<BatchConsumer> {
        // SAFETY: the client is alive; the handle is destroyed by `Queue`, before the client.
        let queue = unsafe { bindings::rd_kafka_queue_new(consumer.client().native_ptr()) };
        match NonNull::new(queue) {
            Some(queue) => Ok(BatchConsumer { queue: Queue(queue), consumer }),
            None => Err(KafkaError::ClientCreation("no queue for the consumer's records".to_owned())),
        }
    }

    /// The consumer itself, for everything but the records of forwarded partitions.
    #[must_use]
    pub fn consumer(&self) -> &Consume {
        &self.consumer
    }

    /// The consumer without the queue; what stood in it is gone.
    #[must_use]
    pub fn into_consumer(self) -> Consume {
        let BatchConsumer { queue, consumer } = self;
        drop(queue);
        consumer
    }

    /// Lets the records of a partition come here. To be called before the partition is assigned, so that none comes on the
    /// main queue, and again before it is resumed, since stopping to fetch it ends this. Again does no harm.
    pub fn forward(&self, topic: &str, partition: PartitionIndex) -> KafkaResult<()> {
        let unknown = || KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownPartition);
        let topic = CString::new(topic).map_err(|_| unknown())?;
        // SAFETY: the client is alive and the name ends with a zero; the call copies the name.
        let source = unsafe {
            bindings::rd_kafka_queue_get_partition(self.consumer.client().native_ptr(), topic.as_ptr(), partition.0)
        };
        let source = NonNull::new(source).map(Queue).ok_or_else(unknown)?;
        // SAFETY: both handles are alive; the source holds our queue from now on by its own count.
        unsafe { bindings::rd_kafka_queue_forward(source.0.as_ptr(), self.queue.0.as_ptr()) };
        Ok(())
    }

    /// Takes up to `messages_max` messages that have come. When there are none it waits for the first up to `wait`.
    #[must_use]
    pub fn take(&self, messages_max: usize, wait: Duration) -> Batch<'_> {
        let mut slots = vec![ptr::null_mut(); messages_max];
        let mut count = self.fill(&mut slots, 0);
        if count == 0 && !wait.is_zero() && messages_max > 0 {
            let wait_ms = c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX);
            count = self.fill(slots.get_mut(..1).unwrap_or_default(), wait_ms);
            if count > 0 {
                count += self.fill(slots.get_mut(1..).unwrap_or_default(), 0);
            }
        }
        slots.truncate(count);
        Batch { messages: slots.into_iter().filter_map(NonNull::new).collect(), consumer: PhantomData }
    }

    /// Fills `slots` from their start; how many were filled.
    fn fill(&self, slots: &mut [*mut bindings::rd_kafka_message_t], timeout_ms: c_int) -> usize {
        // SAFETY: the queue is alive, and the call writes at most as many pointers as there are slots.
        let count = unsafe {
            bindings::rd_kafka_consume_batch_queue(self.queue.0.as_ptr(), timeout_ms, slots.as_mut_ptr(), slots.len())
        };
        usize::try_from(count).unwrap_or_default().min(slots.len())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the handle came from librdkafka, is destroyed once, and its client is still alive: `BatchConsumer` lets go
        // of the queue before the consumer, and `forward` borrows the consumer.
        unsafe { bindings::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

impl Batch<'_> {
    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages in the order they came, which is that of offsets within each partition.
    pub fn messages(&self) -> impl Iterator<Item = Fetched<'_>> {
        self.messages.iter().map(|message| Fetched { message: *message, batch: PhantomData })
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in &self.messages {
            // SAFETY: each message is ours and is destroyed once; nobody looks at it any more, since `Fetched` and what it
            // hands out borrow the batch.
            unsafe { bindings::rd_kafka_message_destroy(message.as_ptr()) };
        }
    }
}

impl<'b> Fetched<'b> {
    fn fields(self) -> &'b bindings::rd_kafka_message_t {
        // SAFETY: the message lives as long as the batch, and nothing writes to these fields after it was handed out.
        unsafe { self.message.as_ref() }
    }

    /// The error that stands in place of a record.
    #[must_use]
    pub fn error(self) -> Option<KafkaError> {
        let code = self.fields().err;
        (code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| KafkaError::MessageConsumption(code.into()))
    }

    /// Its topic; empty when an error concerns none.
    #[must_use]
    pub fn topic(self) -> &'b str {
        let topic = self.fields().rkt;
        if topic.is_null() {
            return "";
        }
        // SAFETY: the message holds its topic, whose name ends with a zero and never changes.
        let name = unsafe { CStr::from_ptr(bindings::rd_kafka_topic_name(topic)) };
        name.to_str().unwrap_or_default()
    }

    /// The record, undecoded and in place.
    #[must_use]
    pub fn raw(&'b self) -> RawRecord<'b> {
        let fields = self.fields();
        RawRecord {
            partition: PartitionIndex(fields.partition),
            offset: Offset(fields.offset),
            timestamp: self.timestamp(),
            // SAFETY: key and payload belong to the message, which outlives the borrow, and are as long as it says.
            key: unsafe { bytes(fields.key, fields.key_len) },
            // SAFETY: likewise.
            value: unsafe { bytes(fields.payload, fields.len) },
            headers: self,
        }
    }

    fn timestamp(self) -> Option<Timestamp> {
        let mut kind = bindings::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive; the call writes the kind and nothing else.
        let time_ms = unsafe { bindings::rd_kafka_message_timestamp(self.message.as_ptr(), &raw mut kind) };
        let known = kind != bindings::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        Timestamp::from_ms(time_ms).filter(|_| known)
    }
}

impl Headers for Fetched<'_> {
    fn each(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive and on this thread alone (raw pointers are neither sent nor shared); the first call
        // parses its headers, which then belong to it.
        let code = unsafe { bindings::rd_kafka_message_headers(self.message.as_ptr(), &raw mut headers) };
        if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0_usize);
            // SAFETY: the headers live as long as the message; an index behind the last one is an error, not a fault.
            let code = unsafe {
                bindings::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut length)
            };
            if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: the name ends with a zero and the value is as long as said; both belong to the headers.
            let (name, value) = unsafe { (CStr::from_ptr(name), bytes(value, length)) };
            visit(&name.to_string_lossy(), value);
        }
    }
}

/// The bytes at `start`; `None` when there are none, not even of length 0.
///
/// # Safety
/// `start` is null or points to `length` bytes that stay as they are during `'a`.
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) })
}

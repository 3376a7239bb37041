//! One connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite;

use crate::close::{Closing, Fault};
use crate::event::Event;
use crate::hub::{Call, Signal, Wish};
use crate::request::Request;
use crate::server::Place;
use crate::session::ConnectionId;
use crate::shared::Shared;

type Sender = SplitSink<WebSocket, Message>;
type Receiver = SplitStream<WebSocket>;

/// How long a client may take for each step of a closing.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long data may stay in the network at a time before it is asked again whether to read it.
const HOLD: Duration = Duration::from_millis(50);
/// How often a client hears of the connection, so that what lies between keeps it open.
const PING: Duration = Duration::from_secs(20);
/// The closing code of a client that wants no more.
const NORMAL: u16 = 1000;

/// How the hub calls this connection.
#[derive(Default)]
struct Bell {
    news: Notify,
    evicted: Notify,
    closing: Mutex<Option<Closing>>,
}

impl Bell {
    fn signal(self: &Arc<Self>) -> Signal {
        let bell = Arc::clone(self);
        Signal::new(move |call| match call {
            Call::News => bell.news.notify_one(),
            Call::Evicted(closing) => {
                *bell.closing.lock().unwrap_or_else(PoisonError::into_inner) = Some(closing);
                bell.evicted.notify_one();
            }
        })
    }

    async fn evicted(&self) -> Option<Closing> {
        self.evicted.notified().await;
        self.closing.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How the conversation ended.
enum Course {
    /// We close the connection, or it is broken.
    Closing(Option<Closing>),
    /// The client is gone; true if it said so.
    Gone(bool),
}

/// Serves a connection to its end.
pub(crate) async fn serve(socket: WebSocket, shared: Arc<Shared>, wish: Result<Wish, Fault>, _place: Place) {
    let (mut sender, mut receiver) = socket.split();
    let bell = Arc::new(Bell::default());
    let joined = wish.and_then(|wish| {
        let mut random = [0; 24];
        getrandom::fill(&mut random)
            .map_err(|error| Fault::GraphFailed(format!("the system has no random numbers: {error}")))?;
        shared.hub().connect(&wish, bell.signal(), random, shared.now())
    });
    let id = match joined {
        Ok(id) => id,
        Err(fault) => {
            let event = Message::Text(Event::error(&fault).write(0).into());
            if let Ok(Ok(())) = tokio::time::timeout(FAREWELL, sender.send(event)).await {
                close(&mut sender, &mut receiver, Closing::of(&fault)).await;
            }
            return;
        }
    };
    let course = tokio::select! {
        closing = write(&shared, id, &bell, &mut sender) => Course::Closing(closing),
        closing = bell.evicted() => Course::Closing(closing),
        left = read(&shared, id, &mut receiver) => Course::Gone(left),
    };
    let left = match course {
        Course::Closing(Some(closing)) => close(&mut sender, &mut receiver, closing).await,
        Course::Closing(None) => false,
        Course::Gone(left) => {
            // Answers the client's closing.
            let _ = tokio::time::timeout(FAREWELL, sender.close()).await;
            left
        }
    };
    shared.hub().disconnect(id, left, shared.now());
    shared.call();
}

/// Sends what there is, until there is a reason to close. `None` if the connection is broken.
async fn write(shared: &Shared, id: ConnectionId, bell: &Bell, sender: &mut Sender) -> Option<Closing> {
    loop {
        let output = shared.hub().output(id, shared.now());
        let idle = output.events.is_empty();
        for event in output.events {
            sender.send(Message::Text((&*event).into())).await.ok()?;
        }
        if output.closing.is_some() {
            return output.closing;
        }
        if idle && tokio::time::timeout(PING, bell.news.notified()).await.is_err() {
            sender.send(Message::Ping(Vec::new().into())).await.ok()?;
        }
    }
}

/// Takes what comes, until the client is gone. True if it said that it wants no more.
async fn read(shared: &Shared, id: ConnectionId, receiver: &mut Receiver) -> bool {
    loop {
        let wait = shared.hub().wait(id, shared.now());
        if wait > 0 {
            // What is not read is held back by TCP.
            let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(0)).min(HOLD);
            tokio::time::sleep(wait).await;
            continue;
        }
        let request = match receiver.next().await {
            None => return false,
            Some(Ok(Message::Close(frame))) => return frame.is_none_or(|frame| frame.code == NORMAL),
            Some(Ok(message)) => request(shared, &message),
            Some(Err(error)) => match fault(error, shared) {
                Some(fault) => Some(Err(fault)),
                None => return false,
            },
        };
        let mut hub = shared.hub();
        match request {
            Some(request) => hub.receive(id, request, shared.now()),
            // Pings cost something, too.
            None => hub.spend(id, shared.now()),
        }
        drop(hub);
        shared.call();
    }
}

fn request(shared: &Shared, message: &Message) -> Option<Result<Request, Fault>> {
    let limits = *shared.hub().limits();
    match message {
        Message::Binary(bytes) => Some(Request::binary(bytes, &limits)),
        Message::Text(text) => Some(Request::text(text, &limits)),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => None,
    }
}

/// What a client did wrong, if it is not just gone.
fn fault(error: axum::Error, shared: &Shared) -> Option<Fault> {
    use tungstenite::error::ProtocolError;
    let error = error.into_inner().downcast::<tungstenite::Error>().ok()?;
    match *error {
        tungstenite::Error::Utf8(_) => Some(Fault::BadUtf8),
        tungstenite::Error::Capacity(_) => Some(Fault::MessageTooLong(shared.hub().limits().message_bytes())),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(error) => Some(Fault::BadFrame(error.to_string())),
        _ => None,
    }
}

/// Closes the connection. True if the client has agreed, so that it has all that it was sent.
async fn close(sender: &mut Sender, receiver: &mut Receiver, closing: Closing) -> bool {
    let frame = CloseFrame { code: closing.close.code(), reason: closing.reason.into() };
    let sent = tokio::time::timeout(FAREWELL, sender.send(Message::Close(Some(frame)))).await;
    if !matches!(sent, Ok(Ok(()))) {
        return false;
    }
    let answer = async {
        loop {
            match receiver.next().await {
                Some(Ok(Message::Close(_))) => return true,
                Some(Ok(_)) => {}
                Some(Err(_)) => {
                    // To close with data that was not read would take back what was sent. The client gets a moment.
                    tokio::time::sleep(FAREWELL / 4).await;
                    return false;
                }
                None => return false,
            }
        }
    };
    tokio::time::timeout(FAREWELL, answer).await.unwrap_or(false)
}

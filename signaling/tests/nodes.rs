//! A session across two nodes: each hub has one side, and the two tell each other.

use std::time::Duration;

use hairpin_signaling::{
    Departure, EndReason, NodeId, PartnerNews, Protocol, RemotePartner, Role, SessionId, TicketId,
};
use serde_json::json;

use crate::callers::{Ticket, kinds};
use crate::harness::World;

const NORTH: NodeId = NodeId(1);
const SOUTH: NodeId = NodeId(2);

/// Two hubs, and the bus between them.
struct Nodes {
    north: World,
    south: World,
}

impl Nodes {
    /// `a` waits in the north and `b` in the south.
    fn new() -> (Self, [Ticket; 2]) {
        let mut nodes = Self { north: World::new(), south: World::new() };
        nodes.south.restart(2, b"north");
        let a = nodes.north.hello(1, "a");
        let b = nodes.south.hello(2, "b");
        nodes.north.say(1, "join_queue", json!({}));
        nodes.south.say(2, "join_queue", json!({}));
        (nodes, [a, b])
    }

    /// A matcher that knows both has put them together.
    fn pair(&mut self) -> SessionId {
        let session = self.north.hub.new_session_id();
        let partner = |node, user: &str| RemotePartner {
            node,
            user: user.into(),
            protocol: Protocol::Resumable,
        };
        for (world, role, partner) in [
            (&mut self.north, Role::Initiator, partner(SOUTH, "b")),
            (&mut self.south, Role::Answerer, partner(NORTH, "a")),
        ] {
            let ticket = world.seeking.pop().map_or(TicketId(1), |ticket| ticket.id);
            world.hub.matched_with(world.now, ticket, (session, role), partner, &mut world.ice);
            world.settle();
        }
        session
    }

    fn met() -> (Self, SessionId, [Ticket; 2]) {
        let (mut nodes, tickets) = Self::new();
        let session = nodes.pair();
        nodes.carry();
        nodes.north.take(1);
        nodes.south.take(2);
        (nodes, session, tickets)
    }

    /// Carries news until there are none.
    fn carry(&mut self) {
        loop {
            let (north, south) = (&mut self.north, &mut self.south);
            let to_south = std::mem::take(&mut north.told_nodes);
            let to_north = std::mem::take(&mut south.told_nodes);
            if to_south.is_empty() && to_north.is_empty() {
                return;
            }
            for (news, from, here, world) in
                [(to_south, NORTH, SOUTH, south), (to_north, SOUTH, NORTH, north)]
            {
                for (to, session, news) in news {
                    assert_eq!(to, here);
                    world.hub.partner_news(world.now, from, session, news);
                }
                world.settle();
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.north.pass_alive(time, &[1, 3]);
        self.south.pass_alive(time, &[2, 4]);
        self.carry();
    }
}

#[test]
fn each_side_is_told_by_its_own_node_and_signals_cross() {
    let (mut nodes, _) = Nodes::new();
    let session = nodes.pair().to_string();
    for (heard, partner, initiator) in
        [(nodes.north.take(1), "b", true), (nodes.south.take(2), "a", false)]
    {
        let found = heard.last().expect("a match");
        assert_eq!(found["type"], "match_found");
        let payload = &found["payload"];
        let fields = ["sessionId", "partnerId", "isInitiator", "partnerProtocol"];
        assert_eq!(
            fields.map(|field| payload[field].clone()),
            [json!(session), json!(partner), json!(initiator), json!(1)]
        );
    }
    nodes.north.say_text(1, r#"{"type":"signal","data":{"signal":{ "odd" : [1 ,2] }}}"#);
    nodes.south.signal(2, json!(2));
    nodes.carry();
    let text = format!(
        "{{\"seq\":3,\"type\":\"signal\",\"payload\":{{\"sessionId\":\"{session}\",\"signal\":{{ \"odd\" : [1 ,2] }}}}}}"
    );
    assert_eq!(nodes.south.texts_of(2).last(), Some(&text), "to the byte");
    assert_eq!(nodes.north.take(1)[0]["payload"]["signal"], 2);
}

#[test]
fn away_back_and_left_cross() {
    let (mut nodes, _, [a, _]) = Nodes::met();
    nodes.north.disconnect(1);
    nodes.carry();
    assert_eq!(nodes.south.heard(2), ["partner_away"]);
    nodes.south.signal(2, json!("meanwhile"));
    nodes.carry();
    let heard = nodes.north.hello_with(3, a.resume(2));
    assert_eq!(kinds(&heard), ["welcome", "signal"]);
    nodes.carry();
    assert_eq!(nodes.south.heard(2), ["partner_back"]);
    nodes.north.disconnect(3);
    nodes.pass(Duration::from_secs(30));
    assert_eq!(nodes.south.heard(2), ["partner_away", "partner_left"]);
    assert_eq!((nodes.north.hub.sessions(), nodes.south.hub.sessions()), (0, 0));
}

#[test]
fn skip_and_end_cross_and_nothing_is_left_behind() {
    for (how, reason) in [("skip", "skipped"), ("end_session", "ended")] {
        let (mut nodes, session, _) = Nodes::met();
        nodes.south.say(2, how, json!({}));
        nodes.carry();
        let left = nodes.north.take(1);
        assert_eq!(left[0]["payload"], json!({ "sessionId": session, "reason": reason }));
        // Their ends have crossed.
        nodes.north.say(1, how, json!({ "sessionId": session }));
        nodes.carry();
        assert!(!nodes.north.heard(1).contains(&"no_session".to_owned()));
        nodes.north.depart(1, Departure::Goodbye);
        nodes.south.depart(2, Departure::Goodbye);
        assert!(nodes.north.is_nobody_there() && nodes.south.is_nobody_there());
    }
}

#[test]
fn only_the_partner_s_node_is_believed() {
    let (mut nodes, session, _) = Nodes::met();
    let north = &mut nodes.north;
    for news in [PartnerNews::Left(EndReason::Ended), PartnerNews::Signal("1".into())] {
        north.hub.partner_news(north.now, NodeId(3), session, news.clone());
        let other = north.hub.new_session_id();
        north.hub.partner_news(north.now, SOUTH, other, news);
    }
    north.hub.partner_news(north.now, SOUTH, session, PartnerNews::Signal("no JSON".into()));
    north.settle();
    assert!(north.take(1).is_empty());
    assert_eq!(north.hub.sessions(), 1);
}

/// The answer of a matcher elsewhere crosses whatever happens here meanwhile.
#[test]
fn who_is_gone_away_or_sent_away_when_the_match_comes_is_not_met() {
    type Meanwhile = fn(&mut World);
    let cases: [(&str, Meanwhile); 3] = [
        ("gone", |north| north.depart(1, Departure::Goodbye)),
        ("away", |north| north.disconnect(1)),
        ("draining", |north| {
            let (now, spread) = (north.now, Duration::from_secs(10));
            north.hub.drain(now, spread, spread);
            north.settle();
        }),
    ];
    for (what, meanwhile) in cases {
        let (mut nodes, _) = Nodes::new();
        meanwhile(&mut nodes.north);
        nodes.pair();
        assert_eq!(nodes.north.hub.sessions(), 0, "{what}");
        nodes.carry();
        let heard = nodes.south.take(2);
        assert_eq!(heard.last().expect("news")["payload"]["reason"], "disconnected", "{what}");
        assert_eq!(nodes.south.hub.sessions(), 0, "{what}");
    }
}

#[test]
fn an_old_client_hears_of_a_remote_partner_s_end_alone() {
    let mut nodes = Nodes { north: World::new(), south: World::new() };
    nodes.south.restart(2, b"north");
    nodes.north.connect(1);
    nodes.north.join(1, "a");
    let b = nodes.south.hello(2, "b");
    nodes.south.say(2, "join_queue", json!({}));
    nodes.pair();
    nodes.north.take(1);
    nodes.south.disconnect(2);
    nodes.carry();
    nodes.south.hello_with(4, b.resume(2));
    nodes.carry();
    assert!(nodes.north.take(1).is_empty());
    nodes.south.depart(4, Departure::Goodbye);
    nodes.carry();
    assert_eq!(nodes.north.heard(1), ["partner_left"]);
}

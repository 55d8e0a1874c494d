//! What somebody with an allocation of its own, or with none, tries on calls of others through a shared relayed address. With
//! rules that look sufficient ("the last who sent gets it", "by the receiver's fragment alone") each of these ended a call.

use std::net::SocketAddr;
use std::time::Duration;

use hairpin_sim::NatKind;
use hairpin_sim::shared::{Agent, SHARED, World};

const SECOND: Duration = Duration::from_secs(1);
/// A DTLS ClientHello as far as anybody looks.
const GARBAGE: &[u8] = &[22, 254, 253, 0, 0, 0, 0];

/// Ann, who is relayed, Bob, who is or is not, and Mal, who has an allocation too.
struct Scene {
    world: World,
    ann: usize,
    bob: usize,
    mal: usize,
    /// Where Bob is, as the server sees it.
    target: SocketAddr,
}

fn scenes() -> [Scene; 4] {
    [(false, Some("mal's")), (true, Some("mal's")), (false, None), (true, None)].map(
        |(relayed, session)| {
            let mut world = World::new(3, 29);
            let ann = world.add(NatKind::Symmetric, 1, 1, Some("s"), Agent::relay_only);
            let bob = world.add(NatKind::FullCone, 2, usize::from(relayed), Some("s"), |bob| {
                if relayed { bob.relay_only() } else { bob }
            });
            let mal = world.add(NatKind::FullCone, 3, 1, session, Agent::relay_only);
            world.run(Duration::from_millis(300));
            let target = if relayed { SHARED } else { world.seen_at(bob, SHARED) };
            Scene { world, ann, bob, mal, target }
        },
    )
}

impl Scene {
    fn call(&mut self) {
        self.world.introduce(self.ann, self.bob);
        self.world.run(2 * SECOND);
    }

    /// Nobody has missed or been given anything.
    fn assert_undisturbed(&mut self, attack: impl Fn(&mut Self)) {
        for _ in 0..20 {
            attack(self);
            let people = [self.ann, self.bob];
            let heard = self.world.hears(&people, SECOND / 4);
            assert!(heard.iter().all(|packets| *packets >= 3), "{heard:?}");
        }
        assert_eq!(self.world.garbage(&[self.ann, self.bob]), 0);
        assert_eq!(self.world.agent(self.mal).received, 0);
        assert_eq!(self.world.garbage(&[self.mal]), 0, "nothing of theirs reached Mal");
    }

    fn names(&self) -> [String; 2] {
        [self.ann, self.bob].map(|id| self.world.agent(id).own().name.clone())
    }
}

#[test]
fn garbage_to_the_same_peer_from_another_allocation_reaches_nobody() {
    for mut scene in scenes() {
        // Before there is a tie, too.
        scene.world.inject(scene.mal, scene.target, GARBAGE.to_vec());
        scene.call();
        scene.assert_undisturbed(|Scene { world, mal, target, .. }| {
            world.inject(*mal, *target, GARBAGE.to_vec());
            world.inject(*mal, SHARED, GARBAGE.to_vec());
        });
    }
}

#[test]
fn one_claimed_fragment_takes_nothing() {
    for mut scene in scenes() {
        let [ann, bob] = scene.names();
        let claim = |Scene { world, mal, target, .. }: &mut Scene| {
            for to in [*target, SHARED] {
                world.inject_check(*mal, to, "whoever", &ann);
                world.inject_check(*mal, to, &bob, "whoever");
                world.inject_check(*mal, to, &ann, "whoever");
            }
            world.inject(*mal, *target, GARBAGE.to_vec());
        };
        claim(&mut scene);
        scene.call();
        scene.assert_undisturbed(claim);
    }
}

/// Whoever knows both fragments gets copies of checks until there is a tie, and no more than that.
#[test]
fn both_fragments_claimed_before_and_after_the_tie_take_nothing() {
    for mut scene in scenes() {
        let [ann, bob] = scene.names();
        let claim = |Scene { world, mal, target, .. }: &mut Scene| {
            for to in [*target, SHARED] {
                world.inject_check(*mal, to, &bob, &ann);
                world.inject_check(*mal, to, &ann, &bob);
                world.inject(*mal, to, GARBAGE.to_vec());
            }
        };
        for _ in 0..5 {
            claim(&mut scene);
            scene.world.run(SECOND / 10);
        }
        scene.call();
        scene.assert_undisturbed(claim);
    }
}

#[test]
fn answers_nobody_asked_for_tie_nobody() {
    for mut scene in scenes() {
        scene.call();
        scene.assert_undisturbed(|Scene { world, mal, target, .. }| {
            for id in 0..20 {
                world.inject_success(*mal, *target, [id; 12]);
                world.inject_success(*mal, SHARED, [id; 12]);
            }
            world.inject(*mal, *target, GARBAGE.to_vec());
        });
    }
}

#[test]
fn a_flood_to_the_shared_address_reaches_nobody() {
    for mut scene in scenes() {
        scene.call();
        scene.assert_undisturbed(|Scene { world, .. }| {
            for port in 1000..1200 {
                let stranger = SocketAddr::from(([192, 0, 2, 66], port));
                world.fly(stranger, SHARED, GARBAGE.to_vec());
                world.fly(stranger, SHARED, [0x80; 200].to_vec());
                world.fly(SHARED, SHARED, GARBAGE.to_vec());
            }
        });
        assert!(scene.world.server.unrouted["nobody there"] > 1000);
    }
}

#[test]
fn floods_of_transactions_and_claims_take_bounded_memory_and_nobodys_place() {
    for mut scene in scenes() {
        scene.call();
        scene.assert_undisturbed(|Scene { world, mal, target, .. }| {
            for n in 0..400 {
                world.inject_check(*mal, *target, &format!("remote{n}"), &format!("own{n}"));
            }
        });
        let [claims, transactions, ties] = scene.world.server.port().sizes();
        assert!(
            claims <= 3 * 4 && transactions <= 3 * 64 && ties <= 4,
            "{claims} {transactions} {ties}"
        );
        assert!(scene.world.server.unrouted["too often"] > 1000);
        scene.world.release(scene.mal, 0);
        scene.world.run(SECOND / 10);
        assert!(scene.world.server.port().sizes()[0] <= 2, "what it had is gone with it");
    }
}

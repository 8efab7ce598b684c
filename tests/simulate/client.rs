//! Clients: what they send next, and when.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tentetsu::control::views::ViewKey;
use tentetsu::flow::{Kind, Place, Segment};
use tentetsu::packet::FlowKey;

use super::catalogue::{HOSTS, Traffic, key, vip};
use super::climate::Climate;
use super::promise::Promise;
use super::random::Random;
use super::segments::{INITIAL, at, cookie_echo, tagged};

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Sends all the time.
    Chatty,
    /// Sends rarely, often just before it counts as gone.
    Sleeper,
    /// Sends keepalives alone.
    Keeper,
    /// Ends its direction early and listens.
    Listener,
    /// Sends more than the sequence space holds.
    Uploader,
    /// Sends little, and is gone.
    Brief,
}

/// Where a connection stands, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its SYN, INIT or Initial is out.
    Opening,
    /// A server's answer came.
    Open,
    /// It has sent its FIN.
    HalfClosed,
    /// There is none.
    Over,
}

/// One 5-tuple, and the connection that uses it.
#[derive(Debug, Clone)]
pub struct Client {
    pub key: FlowKey,
    pub traffic: Traffic,
    pub worker: usize,
    pub habit: Habit,
    pub state: State,
    /// Counts connections of the tuple and of its successors, so that what is under way of an old one is told from the
    /// new one's.
    pub epoch: u32,
    /// The next sequence number. Over SCTP the tag that its packets bear: in the INIT its own, behind that the server's.
    pub next: u32,
    pub ack: u32,
    /// The same in what arrived last.
    pub heard: u32,
    /// SYNs, INITs or Initials sent.
    pub syns: u32,
    /// Whether its server has the COOKIE ECHO, without which an association is none.
    pub echoed: bool,
    /// Packets that it sends yet.
    pub left: u32,
    /// Whose answer came first.
    pub server: Option<IpAddr>,
    /// Whether it was ever listed with its server.
    pub listed: bool,
    /// Whether its last packet left an entry of its own that names where it went.
    pub by_entry: bool,
    pub promise: Promise,
    /// The view that its service had when that went away.
    pub home: Option<ViewKey>,
    /// When an entry of the tuple was last of no use.
    pub strayed: Option<u64>,
    /// When a packet of it was forwarded last.
    pub seen: u64,
    /// Somebody guessed where it stands, so that what he made of it would be near its next connection by these ports.
    pub guessed: bool,
    /// How many times as long as a flow of `web` it may be silent, by that packet.
    pub slack: u32,
    /// The same, by what it sends now.
    pub pace: u32,
}

/// A packet that a client sends.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub segment: Segment,
    /// When the next is due.
    pub pause: u64,
}

/// SYNs until a client gives up.
const PATIENCE: u32 = 4;

impl Client {
    pub const fn nobody() -> Self {
        Self {
            key: FlowKey([0; 5]),
            traffic: Traffic::Tcp,
            worker: 0,
            habit: Habit::Chatty,
            state: State::Over,
            epoch: 0,
            next: 0,
            ack: 0,
            heard: 0,
            syns: 0,
            echoed: false,
            left: 0,
            server: None,
            listed: false,
            by_entry: false,
            promise: Promise::Kept,
            home: None,
            strayed: None,
            seen: 0,
            guessed: false,
            slack: 1,
            pace: 1,
        }
    }

    /// Begins another connection, `again` by the same 5-tuple at times.
    pub fn begin(&mut self, climate: &Climate, random: &mut Random, again: bool) {
        let again = self.epoch > 0 && random.percent(25) && again && !self.guessed;
        if !again {
            self.choose(random);
            self.worker = random.within(0..climate.workers as u64) as usize;
        }
        self.epoch += 1;
        self.habit = match random.within(0..100) {
            // It goes over whatever position somebody made up by these ports before.
            0..3 if climate.uploads && !again => Habit::Uploader,
            0..20 => Habit::Chatty,
            20..35 => Habit::Sleeper,
            35..43 => Habit::Keeper,
            43..50 => Habit::Listener,
            _ => Habit::Brief,
        };
        // Half of the space is the clients', around its seam; the other is left to forgers, whose guesses are wrong. A port
        // that is taken again soon goes on near where it was, if there is room to list both. The server's numbers are near those of any of the last four by
        // chance alone: that is arithmetic, told beside the windows.
        let before = self.next;
        if again && climate.lists_all() && self.traffic == Traffic::Tcp && random.percent(50) {
            self.next = before.wrapping_add(random.pick(&[1, 1 << 16, 1 << 23]));
        }
        while self.next == before {
            self.next = own_number(random);
        }
        self.ack = self
            .ack
            .wrapping_add(random.within(64 << 20..800 << 20) as u32);
        self.heard = self.ack;
        (self.state, self.syns, self.server) = (State::Opening, 0, None);
        (self.listed, self.by_entry, self.echoed) = (false, false, false);
        self.guessed = false;
        (self.promise, self.home) = (Promise::Kept, None);
        self.left = match self.habit {
            Habit::Uploader => 70_000,
            Habit::Sleeper | Habit::Keeper => random.within(2..8) as u32,
            Habit::Brief => random.within(1..5) as u32,
            _ => random.within(2..40) as u32,
        };
    }

    /// What it speaks, and by which 5-tuple.
    fn choose(&mut self, random: &mut Random) {
        self.traffic = match random.within(0..100) {
            0..70 => Traffic::Tcp,
            70..80 => Traffic::Sctp,
            80..87 => Traffic::Sticky,
            87..90 => Traffic::Stateless,
            _ => Traffic::Quic,
        };
        let datagrams = matches!(self.traffic, Traffic::Stateless | Traffic::Quic);
        let ip6 = !datagrams && random.percent(25);
        let source = source(ip6, random.within(1..9) as u8);
        let port = 1_024 + random.within(0..60_000) as u16;
        self.key = key(source, port, vip(ip6, random.pick(&HOSTS)), self.traffic);
        self.strayed = None;
    }

    /// What it sends now; `None`: its connection is over.
    pub fn step(&mut self, climate: &Climate, random: &mut Random) -> Option<Sent> {
        match self.state {
            State::Over => None,
            _ if matches!(self.traffic, Traffic::Sticky | Traffic::Stateless) => {
                self.datagram(climate, random)
            }
            State::Opening => self.open(),
            _ if self.traffic == Traffic::Quic => self.datagram(climate, random),
            _ if self.traffic == Traffic::Sctp => self.chunk(climate, random),
            State::Open => self.send(climate, random),
            State::HalfClosed => self.listen(climate, random),
        }
    }

    fn datagram(&mut self, climate: &Climate, random: &mut Random) -> Option<Sent> {
        self.left = self.left.checked_sub(1)?;
        self.state = State::Open;
        Some(Sent {
            segment: Segment::WITHIN,
            pause: self.pause(climate, random),
        })
    }

    fn open(&mut self) -> Option<Sent> {
        self.syns += 1;
        if self.syns > PATIENCE {
            return None;
        }
        let pause = 1_000 << (self.syns - 1);
        let segment = match self.traffic {
            Traffic::Quic => INITIAL,
            Traffic::Sctp => tagged(Kind::First, self.next),
            _ => at(Kind::First, self.next, 1, None),
        };
        Some(Sent { segment, pause })
    }

    /// The server's answer comes. What the client says to it: of QUIC an Initial to the server's connection ID first, or
    /// what that is lost before.
    pub fn opened(&mut self, server: IpAddr, random: &mut Random) -> Segment {
        self.state = State::Open;
        self.server = Some(server);
        self.next = match self.traffic {
            Traffic::Sctp => own_number(random),
            _ => self.next.wrapping_add(1),
        };
        match self.traffic {
            Traffic::Quic if random.percent(70) => INITIAL,
            Traffic::Quic => Segment::WITHIN,
            Traffic::Sctp => cookie_echo(self.next),
            _ => at(Kind::Within, self.next, 0, Some(self.ack)),
        }
    }

    /// Of an association. Nothing runs ahead of its COOKIE ECHO, and its SHUTDOWN is a packet as all others.
    fn chunk(&mut self, climate: &Climate, random: &mut Random) -> Option<Sent> {
        if self.left == 0 && self.echoed && random.percent(50) {
            self.state = State::Over;
            let segment = tagged(Kind::Reset, self.next);
            return Some(Sent { segment, pause: 1 });
        }
        self.left = self.left.checked_sub(1)?;
        let (segment, pause) = if self.echoed {
            (tagged(Kind::Within, self.next), self.pause(climate, random))
        } else {
            (cookie_echo(self.next), 1_000)
        };
        Some(Sent { segment, pause })
    }

    fn send(&mut self, climate: &Climate, random: &mut Random) -> Option<Sent> {
        let pause = self.pause(climate, random);
        self.ack = self.ack.wrapping_add(random.word() >> 17);
        if self.left == 0 {
            return self.close(climate, random);
        }
        self.left -= 1;
        let segment = match (self.habit, random.within(0..20)) {
            (Habit::Uploader, _) => self.data(65_000),
            // Keepalives: RFC 9293, section 3.8.4.
            (Habit::Keeper, _) | (_, 0) => {
                at(Kind::Within, self.next.wrapping_sub(1), 0, Some(self.ack))
            }
            // A repetition.
            (_, 1) => at(Kind::Within, self.next.wrapping_sub(1), 1, Some(self.ack)),
            // An acknowledgement.
            (_, 2..8) => at(Kind::Within, self.next, 0, Some(self.ack)),
            _ => self.data(random.within(1..60_000) as u32),
        };
        Some(Sent { segment, pause })
    }

    /// What stands where the client does.
    pub const fn place(&self) -> Segment {
        match (self.traffic, self.state) {
            (Traffic::Tcp, State::Opening) => at(Kind::First, self.next, 1, None),
            (Traffic::Tcp, _) => at(Kind::Within, self.next, 0, Some(self.ack)),
            (Traffic::Sctp, State::Opening) => tagged(Kind::First, self.next),
            (Traffic::Sctp, _) if !self.echoed => cookie_echo(self.next),
            (Traffic::Sctp, _) => tagged(Kind::Within, self.next),
            _ => Segment::WITHIN,
        }
    }

    /// A segment that is lost is sent again: no client runs ahead of what its server acknowledged.
    pub fn take_back(&mut self, segment: Segment) {
        let Place::Sequence { seq, end, .. } = segment.place else {
            return;
        };
        // Nor does a server send on that hears nothing.
        self.ack = self.heard;
        match segment.kind {
            _ if end != self.next => {}
            Kind::Fin if self.state == State::HalfClosed => {
                (self.state, self.next, self.left) = (State::Open, seq, 0);
            }
            Kind::Within if end.wrapping_sub(seq) > 1 => self.next = seq,
            _ => {}
        }
    }

    fn data(&mut self, length: u32) -> Segment {
        let seq = self.next;
        self.next = self.next.wrapping_add(length);
        at(Kind::Within, seq, length, Some(self.ack))
    }

    /// Ends with a RST, or with a FIN and whatever follows.
    fn close(&mut self, climate: &Climate, random: &mut Random) -> Option<Sent> {
        if random.percent(15) {
            self.state = State::Over;
            // Kernels abort with an acknowledgement. One without may be of any connection near by that had the port.
            let segment = at(Kind::Reset, self.next, 0, Some(self.ack));
            return Some(Sent { segment, pause: 1 });
        }
        self.state = State::HalfClosed;
        self.left = random.within(1..4) as u32;
        let segment = at(Kind::Fin, self.next, 1, Some(self.ack));
        self.next = self.next.wrapping_add(1);
        let pause = self.listening(climate, random);
        Some(Sent { segment, pause })
    }

    fn listen(&mut self, climate: &Climate, random: &mut Random) -> Option<Sent> {
        self.left = self.left.checked_sub(1)?;
        self.ack = self.ack.wrapping_add(random.word() >> 17);
        Some(Sent {
            segment: at(Kind::Within, self.next, 0, Some(self.ack)),
            pause: self.listening(climate, random),
        })
    }

    /// How long it may be silent, and yet be promised something.
    pub fn longest(&self, climate: &Climate) -> u64 {
        u64::from(match self.state {
            State::HalfClosed => climate.half_closed * self.slack,
            _ => climate.idle * self.slack,
        })
    }

    fn listening(&self, climate: &Climate, random: &mut Random) -> u64 {
        let longest = u64::from(climate.half_closed * self.pace);
        match self.habit {
            Habit::Listener => random.pick(&[longest - 1, longest - 40, longest / 2]),
            _ => random.within(10..longest / 2),
        }
    }

    fn pause(&self, climate: &Climate, random: &mut Random) -> u64 {
        let longest = u64::from(climate.idle * self.pace);
        match self.habit {
            Habit::Uploader => 1,
            Habit::Brief => random.within(1..100),
            Habit::Chatty | Habit::Listener => random.within(1..1_500),
            Habit::Sleeper => random.pick(&[
                longest - 1,
                longest - 1,
                longest - 50,
                longest * 9 / 10,
                longest / 2,
                40,
            ]),
            Habit::Keeper => random.pick(&[longest / 3, longest * 3 / 4]),
        }
    }
}

fn source(ip6: bool, host: u8) -> IpAddr {
    if ip6 {
        Ipv6Addr::new(0x2001, 0xdb8, 2, host.into(), 0, 0, 0, 1).into()
    } else {
        Ipv4Addr::new(192, 0, 2, host).into()
    }
}

/// Of the half of the space that is the clients'.
const fn own_number(random: &mut Random) -> u32 {
    (random.word() >> 1).wrapping_sub(1 << 30)
}

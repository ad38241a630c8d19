package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/editlock/editlock/wire"
)

// Options tell a Server what differs from the defaults. Access and LockKey are required.
type Options struct {
	// Access says which access tokens are good.
	Access Access
	// LockKey signs lock tokens. All nodes need the same, and guards its public half, or itself if it is a secret. Every hold has
	// a new token at every heartbeat: a secret or Ed25519 signs in microseconds, RSA takes milliseconds.
	LockKey *wire.Key
	// ResumeSecret signs resume tokens: at least 32 bytes, the same on all nodes. nil derives it from LockKey; set it
	// to be able to change that key without ending sessions.
	ResumeSecret []byte

	// Origins lists the origins, such as "https://app.example.com", whose pages may connect beside those of
	// the same host. A request without Origin comes from no browser and is let through: what authenticates is the
	// token in the first message, which no browser sends by itself.
	Origins []string
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix

	// Heartbeat and PongTimeout: 0 means what the Manager's TTL asks for; a larger value is refused.
	Heartbeat   time.Duration
	PongTimeout time.Duration
	// HelloTimeout is how long a connection may take to say hello. 0 means 5 s.
	HelloTimeout time.Duration
	// WriteTimeout is how long a client may take to accept a frame. 0 means 5 s.
	WriteTimeout time.Duration
	// RequestTimeout bounds the work on one request. 0 means 10 s.
	RequestTimeout time.Duration
	// DrainTime is how long Drain lets clients move away. 0 means 20 s.
	DrainTime time.Duration

	// MaxMessage is the size limit of a message from a client in bytes. 0 means 16 KiB.
	MaxMessage int
	// Rate and Burst limit the messages of a connection: so many a second, and at once. 0 means 20 and 40.
	Rate, Burst int
	// Outbox bounds what waits to be sent to a client, in bytes of memory, and likewise what waits for the answer to its request
	// under way. A client that is further behind, or by more than 10 s, is cut off. Of what changes again only the last
	// waits. 0 means 4 MiB, the news of some 7,000 resources at one moment; an idle connection needs nothing.
	Outbox int
	// MaxPerUser, MaxPerAddress and MaxConnections limit open connections. 0 means 20, 100 and 100,000. The address of
	// an IPv6 client is its /64. An address may make MaxPerAddress connections in 4 s, with twice as many at once. While it
	// has all of them, a tenth as many again may come, to resume a session that has its place there.
	MaxPerUser, MaxPerAddress, MaxConnections int
	// HandshakeRate limits new connections a second, with as much again at once. 0 means 1,000.
	HandshakeRate int

	// RequestRate limits the requests of HTTP for programs: so many a second for each user, with twice as many at once, and ten times
	// that for an address. 0 means 50.
	RequestRate int
	// MaxPrograms is how many sessions of programs are kept, of all users together. How many a user may have the Manager says. 0 means 10,000.
	MaxPrograms int
	// MaxWaits is how many requests may wait for a lock; of one user, MaxPerUser. One that is too many is answered at
	// once, and keeps its place. 0 means 500.
	MaxWaits int

	// Observer is told of every request. nil: nobody is.
	Observer *Observer
	// Logger is where the server says what an operator should know. nil means slog.Default(). It logs no token.
	Logger *slog.Logger
}

func (o Options) withDefaults(heartbeat, pong time.Duration) (Options, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	if o.Heartbeat > heartbeat || o.PongTimeout > pong {
		return o, fmt.Errorf("server: Heartbeat and PongTimeout may be at most %v and %v with this TTL", heartbeat, pong)
	}
	def(&o.Heartbeat, heartbeat)
	def(&o.PongTimeout, min(pong, o.Heartbeat))
	def(&o.HelloTimeout, 5*time.Second)
	def(&o.WriteTimeout, 5*time.Second)
	def(&o.RequestTimeout, 10*time.Second)
	def(&o.DrainTime, 20*time.Second)
	num(&o.MaxMessage, wire.MaxMessage)
	num(&o.Rate, 20)
	num(&o.Burst, 40)
	num(&o.Outbox, 4<<20)
	num(&o.MaxPerUser, 20)
	num(&o.MaxPerAddress, 100)
	num(&o.MaxConnections, 100_000)
	num(&o.HandshakeRate, 1000)
	num(&o.RequestRate, 50)
	num(&o.MaxPrograms, 10_000)
	num(&o.MaxWaits, 500)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	errs := []error{o.Access.check()}
	must := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("server: "+format, args...))
		}
	}
	must(o.Heartbeat > 0 && o.PongTimeout > 0 && o.HelloTimeout > 0 && o.WriteTimeout > 0 && o.RequestTimeout > 0 && o.DrainTime > 0,
		"a duration is below zero")
	must(o.MaxMessage >= 1024 && o.MaxMessage <= 1<<20, "MaxMessage is %d; it must be 1 KiB to 1 MiB", o.MaxMessage)
	for _, limit := range []struct {
		name string
		n    int
		most int
	}{
		{"Rate", o.Rate, 1e6}, {"Burst", o.Burst, 1e9}, {"Outbox", o.Outbox, 1 << 40}, {"MaxPerUser", o.MaxPerUser, 1e9},
		{"MaxPerAddress", o.MaxPerAddress, 1e9}, {"MaxConnections", o.MaxConnections, 1e9}, {"HandshakeRate", o.HandshakeRate, 1e9},
		{"RequestRate", o.RequestRate, 100_000}, {"MaxPrograms", o.MaxPrograms, 1e9}, {"MaxWaits", o.MaxWaits, 1e9},
	} {
		must(limit.n > 0 && limit.n <= limit.most, "%s is %d; it must be 1 to %d", limit.name, limit.n, limit.most)
	}
	if o.LockKey == nil || !o.LockKey.CanSign() {
		errs = append(errs, errors.New("server: LockKey is missing, or is only the public half of a key: it has to sign"))
	} else if o.ResumeSecret == nil {
		secret, err := o.LockKey.Derive("editlock resume secret v1")
		o.ResumeSecret = secret
		errs = append(errs, err)
	}
	must(len(o.ResumeSecret) >= wire.MinSecret || o.LockKey == nil || !o.LockKey.CanSign(), "ResumeSecret must have at least %d bytes", wire.MinSecret)
	for _, k := range o.Access.Keys {
		must(k == nil || o.LockKey == nil || !wire.SameSecret(k, o.LockKey),
			"LockKey is one of the access keys: whoever checks lock tokens could then make access tokens")
	}
	for _, origin := range o.Origins {
		errs = append(errs, CheckOrigin(origin))
	}
	return o, errors.Join(errs...)
}

// CheckOrigin says what is wrong with an origin that [New] would refuse.
func CheckOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && strings.EqualFold(u.Scheme+"://"+u.Host, origin) {
		return nil
	}
	return fmt.Errorf("server: the origin %q must be of the form https://app.example.com: a scheme, a host and perhaps a port, with nothing behind", origin)
}

package server

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// admission counts the connections that there are, and says whether one more may come.
type admission struct {
	perUser, perAddress, total int
	handshakes                 *rate.Limiter

	mu        sync.Mutex
	open      int
	addresses map[netip.Addr]int // places taken
	guests    map[netip.Addr]int // connections beyond the places, until they say whose session they resume
	hosts     map[netip.Addr]int // connections in places whose session can be resumed
	users     map[string]int
	paces     map[netip.Addr]time.Time // when an address will have made up for its handshakes; absent: it has
	swept     time.Time                // when paces was last cleared of what is past
}

// refill is how long an address takes to earn as many handshakes as it may have connections: the time over which clients
// come back after a break. At once it may have twice as many.
const refill = 4 * time.Second

const tooManyHere = "Too many connections come from this address. Close some, or try again later."

func newAdmission(o Options) *admission {
	return &admission{
		perUser: o.MaxPerUser, perAddress: o.MaxPerAddress, total: o.MaxConnections,
		handshakes: rate.NewLimiter(rate.Limit(o.HandshakeRate), o.HandshakeRate),
		addresses:  map[netip.Addr]int{}, guests: map[netip.Addr]int{}, hosts: map[netip.Addr]int{},
		users: map[string]int{}, paces: map[netip.Addr]time.Time{},
	}
}

// A place is what a connection has among those of its address.
type place uint8

const (
	noPlace place = iota // it has left, or its successor has the place
	asGuest              // beyond the limit
	inPlace
)

// enter lets a connection in, or says with which HTTP status it may not come and why. Where all places are taken it may come as
// a guest: it may be about to resume a session whose connection has a place here and is dead, which nobody knows yet. There are never more
// guests than such sessions, nor than a tenth of the places, and none stays longer than a hello may take.
func (a *admission) enter(addr netip.Addr) (p place, status int, why string) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	pace := a.paces[addr]
	if pace.Before(now) {
		pace = now
	}
	pace = pace.Add(refill / time.Duration(a.perAddress))
	p = inPlace
	if a.addresses[addr] >= a.perAddress {
		p = asGuest
	}
	switch { // what all share comes last: whoever is refused before takes nothing of it
	case p == asGuest && a.guests[addr] >= min(a.hosts[addr], max(1, a.perAddress/10)):
		return noPlace, http.StatusTooManyRequests, tooManyHere
	case pace.After(now.Add(2 * refill)):
		return noPlace, http.StatusTooManyRequests, "This address connects too often. Try again in a few seconds."
	case a.open >= a.total:
		return noPlace, http.StatusServiceUnavailable, "This server has as many connections as it may have. Try again later."
	case !a.handshakes.AllowN(now, 1):
		return noPlace, http.StatusServiceUnavailable, "Too many connect at this moment. Try again in a few seconds."
	}
	a.open++
	if p == inPlace {
		a.addresses[addr]++
	} else {
		a.guests[addr]++
	}
	a.sweep(now)
	a.paces[addr] = pace
	return p, 0, ""
}

// sweep forgets the paces that are past, now and then. So there are no more of them than handshakes were let through in a few
// refills. mu is held.
func (a *admission) sweep(now time.Time) {
	if now.Sub(a.swept) < refill {
		return
	}
	a.swept = now
	for addr, pace := range a.paces {
		if !pace.After(now) {
			delete(a.paces, addr)
		}
	}
}

func (a *admission) leave(addr netip.Addr, p place, host bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	switch p {
	case inPlace:
		less(a.addresses, addr)
	case asGuest:
		less(a.guests, addr)
	}
	if host {
		less(a.hosts, addr)
	}
}

// settle gives a guest a place, if there is one by now.
func (a *admission) settle(addr netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.addresses[addr] >= a.perAddress {
		return false
	}
	a.addresses[addr]++
	less(a.guests, addr)
	return true
}

// succeed is called when a connection has left its place to a guest, or to nobody if that one has gone meanwhile.
func (a *admission) succeed(addr netip.Addr, guest, host bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if guest {
		less(a.guests, addr)
	} else {
		less(a.addresses, addr)
	}
	if host {
		less(a.hosts, addr)
	}
}

// host notes that a connection has a session, which another one can resume.
func (a *admission) host(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hosts[addr]++
}

func (a *admission) enterUser(user string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users[user] >= a.perUser {
		return false
	}
	a.users[user]++
	return true
}

func (a *admission) leaveUser(user string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	less(a.users, user)
}

func (a *admission) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}

func less[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] <= 0 {
		delete(m, k)
	}
}

// address is where a request comes from, as far as it can be trusted: the last one in X-Forwarded-For that is not one of
// our own proxies. Of IPv6 it is the /64, since whoever has one address has them all.
func (s *Server) address(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // without one: a local socket, and all that come through it are one
	addr := peer.Addr().Unmap()
	list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(list) - 1; i >= 0 && s.trusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(list[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	if addr = addr.WithZone(""); addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			addr = p.Addr()
		}
	}
	return addr
}

// trusted says whether addr is a proxy of ours. What has no address came through a local socket.
func (s *Server) trusted(addr netip.Addr) bool {
	if !addr.IsValid() {
		return len(s.opts.TrustedProxies) > 0
	}
	for _, p := range s.opts.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// wait is how long until a limiter lets the next one through; never quite nothing, for it is told to whoever was too fast.
func wait(l *rate.Limiter, now time.Time) time.Duration {
	return max(10*time.Millisecond, time.Duration((1-l.TokensAt(now))/float64(l.Limit())*float64(time.Second)))
}

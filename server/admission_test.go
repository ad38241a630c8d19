package server

import (
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

func door(perAddress, handshakes int) *admission {
	return newAdmission(Options{MaxPerUser: 20, MaxPerAddress: perAddress, MaxConnections: 100_000, HandshakeRate: handshakes})
}

// An address that connects without end uses up its own handshakes, and nobody else's.
// Faults: A9, A10
func TestHandshakesOfOneAddress(t *testing.T) {
	stranger, honest := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.1")
	for name, stays := range map[string]bool{"open": true, "and closes": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := door(5, 50)
				let := 0
				for range 1000 {
					switch p, status, _ := a.enter(stranger); {
					case status == 0 && !stays:
						a.leave(stranger, p, false)
						fallthrough
					case status == 0:
						let++
					case status != http.StatusTooManyRequests:
						t.Fatalf("refused with %d; it is the address that is too fast", status)
					}
				}
				if want := map[bool]int{true: 5, false: 10}[stays]; let != want {
					t.Errorf("let in %d times, want %d", let, want)
				}
				if _, status, why := a.enter(honest); status != 0 {
					t.Errorf("somebody else is refused: %d, %s", status, why)
				}
				<-time.After(refill)
				for range 4 {
					if !stays {
						if _, status, why := a.enter(stranger); status != 0 {
							t.Errorf("refused after a while: %d, %s", status, why)
						}
					}
				}
			})
		})
	}
}

// What is remembered of addresses is bounded, whatever many there are.
// Faults: A9
func TestPacesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := door(100, 1000)
		a.handshakes.SetLimit(rate.Inf)
		addr := netip.MustParseAddr("10.0.0.0")
		for range 20 {
			for range 1000 {
				addr = addr.Next()
				p, status, why := a.enter(addr)
				if status != 0 {
					t.Fatal(status, why)
				}
				a.leave(addr, p, false)
			}
			<-time.After(time.Second)
		}
		if n := len(a.paces); n > 5000 {
			t.Errorf("%d addresses are remembered; 1,000 came in a second", n)
		}
	})
}

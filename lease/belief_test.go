package lease_test

import (
	"os"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/editlock/editlock/lease"
)

// moment reads [monotonic, wall] in seconds.
type moment [2]float64

func (m moment) clocks() lease.Clocks { return lease.Clocks{Mono: seconds(m[0]), Wall: seconds(m[1])} }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// The browser's client is tested against the same vectors.
//
// Faults: W2, B9
func TestBelief(t *testing.T) {
	data, err := os.ReadFile("../wire/testdata/belief.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name        string
		TTL, Margin float64
		Hello       moment
		Steps       []struct {
			Do   string
			Ping int64
			At   moment
			Left float64
		}
	}
	if err := json.Unmarshal(data, &vectors, json.MatchCaseInsensitiveNames(true), json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			b := lease.Believe(v.Hello.clocks(), seconds(v.TTL), seconds(v.Margin))
			for i, step := range v.Steps {
				now := step.At.clocks()
				switch step.Do {
				case "pong":
					b = b.Ponged(step.Ping, now)
				case "ack":
					b = b.Acked(step.Ping, now)
				case "look":
					b = b.At(now)
				default:
					t.Fatalf("step %d: what is %q?", i+1, step.Do)
				}
				if got := b.Left(now); got != seconds(step.Left) {
					t.Errorf("step %d: %v left, want %v", i+1, got, seconds(step.Left))
				}
				if got := b.Holds(now); got != (step.Left > 0) {
					t.Errorf("step %d: holds is %v with %v s left", i+1, got, step.Left)
				}
			}
		})
	}
}

func TestNoBeliefWithoutWelcome(t *testing.T) {
	var b lease.Belief
	if b.Holds(lease.Clocks{}) || b.Ponged(1, lease.Clocks{}).Acked(1, lease.Clocks{}).Holds(lease.Clocks{}) {
		t.Error("nobody welcomed this client, and it believes")
	}
}

// What is not acknowledged does not pile up, and a copy of a belief does not change with the other.
func TestBeliefIsAValue(t *testing.T) {
	at := func(s float64) lease.Clocks { return lease.Clocks{Mono: seconds(s), Wall: seconds(s)} }
	b := lease.Believe(at(0), 30*time.Second, 3*time.Second)
	for ping := range int64(500) {
		b = b.Ponged(ping, at(float64(ping)/100))
	}
	if got := b.Acked(100, at(5)).Left(at(5)); got != 22*time.Second {
		t.Errorf("an acknowledgement of 400 pings ago was taken: %v left", got)
	}
	one, other := b.Ponged(500, at(6)), b.Ponged(501, at(7))
	if got := one.Acked(500, at(8)).Left(at(8)); got != 25*time.Second {
		t.Errorf("%v left, want 25 s", got)
	}
	if got := other.Acked(500, at(8)).Left(at(8)); got != 19*time.Second {
		t.Errorf("%v left, want 19 s: that pong is of the copy", got)
	}
}

func TestWatchdog(t *testing.T) {
	if got := lease.Watchdog(7500*time.Millisecond, 7500*time.Millisecond); got != 15750*time.Millisecond {
		t.Error(got)
	}
}

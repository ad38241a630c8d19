package lease

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestStories plays every script in testdata. A line is what somebody does, or what must be so then; the
// phrases are those of the tables below. Each script names the faults that it covers in a line "Faults: …".
//
// A name is a person's, and its first tab's session; "Ana's second tab" is another session of hers. #1 is the
// first grant of the story, #2 the next.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 14 {
		t.Fatalf("%d scripts in testdata: %v", len(files), err)
	}
	faults := map[string]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st := newStage()
			sc := bufio.NewScanner(f)
			for n := 1; sc.Scan(); n++ {
				line := strings.TrimSpace(sc.Text())
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				if list, ok := strings.CutPrefix(line, "Faults: "); ok {
					for _, id := range strings.Split(list, ", ") {
						faults[id] = true
					}
					continue
				}
				if err := st.play(line); err != nil {
					t.Fatalf("%s:%d: %s\n\t%v\n\tnow: %s\n\thistory: %s", file, n, line, err, st.describe(), strings.Join(st.history, ", "))
				}
			}
		})
	}
	for _, id := range []string{"Q1", "Q2", "Q3", "Q4", "Q7", "B7", "B12", "N1", "N2", "N3", "N4"} {
		if !faults[id] {
			t.Errorf("no script covers fault %s", id)
		}
	}
}

func TestStoryFailsClearly(t *testing.T) {
	for line, want := range map[string]string{
		"Ana holds with #1":  "expected Ana to hold with #1, but Ana is not there",
		"Ana dances":         "nothing in this language reads so",
		"#1 ended: released": "expected #1 to have ended as released, but there is no #1",
	} {
		err := newStage().play(line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", line, err, want)
		}
	}
}

type phrase struct {
	form *regexp.Regexp
	do   func(s *stage, a []string) error
}

const who = `([A-Z]\w*(?:'s (?:second|third) tab)?)`

func say(form string, do func(s *stage, a []string) error) phrase {
	form = strings.ReplaceAll(form, "WHO", who)
	return phrase{regexp.MustCompile("^" + form + "$"), do}
}

// acts is what can happen, facts what can be expected.
var acts, facts []phrase

func init() {
	acts, facts = theActs(), theFacts()
}

func theActs() []phrase {
	return []phrase{
		say(`WHO opens the article`, func(s *stage, a []string) error { return s.ask(a[0], Event{}) }),
		say(`WHO opens the (title|body) of the article`, func(s *stage, a []string) error { return s.ask(a[0], Event{Part: a[1]}) }),
		say(`WHO tries the article without waiting`, func(s *stage, a []string) error { return s.ask(a[0], Event{NoWait: true}) }),
		say(`WHO moves the editing here`, func(s *stage, a []string) error { return s.ask(a[0], Event{Move: true}) }),
		say(`WHO (?:asks again|returns to the page)`, func(s *stage, a []string) error {
			s.get(a[0]).deaf = false
			return s.ask(a[0], Event{})
		}),
		say(`WHO releases`, func(s *stage, a []string) error { return s.release(a[0], "", "") }),
		say(`WHO releases with #(\d+)`, func(s *stage, a []string) error { return s.release(a[0], a[1], "") }),
		say(`WHO releases version (\w+)`, func(s *stage, a []string) error { return s.release(a[0], "", a[1]) }),
		say(`WHO confirms #(\d+)`, func(s *stage, a []string) error {
			return s.send(Event{Kind: Confirm, Session: a[0], Fence: s.fence(a[1])})
		}),
		say(`WHO saves version (\w+) with #(\d+)`, func(s *stage, a []string) error {
			return s.send(Event{Kind: Changed, Session: a[0], Fence: s.fence(a[2]), Version: a[1]})
		}),
		say(`the administrator ends #(\d+): (.+)`, func(s *stage, a []string) error {
			if _, err := s.apply(Event{Kind: Force, Fence: s.fence(a[0]), User: "admin", Name: "The administrator", Text: a[1]}); err != nil {
				return err
			}
			return s.settle()
		}),
		say(`WHO stops waiting`, func(s *stage, a []string) error { return s.send(Event{Kind: Cancel, Session: a[0]}) }),
		say(`WHO's last message arrives again`, func(s *stage, a []string) error { return s.send(s.get(a[0]).last) }),
		say(`WHO's page does not react`, func(s *stage, a []string) error { s.get(a[0]).deaf = true; return nil }),
		say(`WHO's page reacts again`, func(s *stage, a []string) error { s.get(a[0]).deaf = false; return s.settle() }),
		say(`WHO vanishes`, func(s *stage, a []string) error { s.get(a[0]).silent = true; return nil }),
		say(`WHO comes back`, func(s *stage, a []string) error { return s.back(a[0]) }),
		say(`WHO's old connection closes`, func(s *stage, a []string) error { return nil }),
		say(`WHO sends nonsense`, func(s *stage, a []string) error {
			return s.send(Event{Kind: Kind(99), Session: a[0]})
		}),
		say(`WHO leaves the page`, func(s *stage, a []string) error { return s.bye(a[0]) }),
		say(`WHO logs out`, func(s *stage, a []string) error { return s.end(a[0], LoggedOut) }),
		say(`the right of WHO is withdrawn`, func(s *stage, a []string) error { return s.end(a[0], Revoked) }),
		say(`the server is killed`, func(s *stage, a []string) error { s.up = false; return nil }),
		say(`the server is stopped in mid-work`, func(s *stage, a []string) error { s.frozen = true; return nil }),
		say(`the server goes on`, func(s *stage, a []string) error { s.frozen = false; return s.tick(0) }),
		say(`the database does not answer`, func(s *stage, a []string) error { s.storeDown = true; return nil }),
		say(`the database answers again`, func(s *stage, a []string) error { s.storeDown = false; return nil }),
		say(`the server starts`, func(s *stage, a []string) error { return s.start() }),
		say(`everybody comes back`, func(s *stage, a []string) error {
			for _, id := range s.order {
				if p := s.people[id]; !p.silent && !p.ended {
					if err := s.back(id); err != nil {
						return err
					}
				}
			}
			return nil
		}),
		say(`(\d+) people open the article`, func(s *stage, a []string) error {
			n, _ := strconv.Atoi(a[0])
			for i := range n {
				if err := s.ask(fmt.Sprintf("P%d", i+1), Event{}); err != nil {
					return err
				}
			}
			return nil
		}),
		say(`after (\d+) (seconds|minutes|hours)`, func(s *stage, a []string) error { return s.pass(span(a)) }),
		say(`within (\d+) (seconds|minutes) (.+)`, func(s *stage, a []string) error {
			var err error
			for limit := s.clock + span(a); s.clock <= limit; {
				if err = s.play(a[2]); err == nil {
					return nil
				}
				if err := s.pass(250 * time.Millisecond); err != nil {
					return err
				}
			}
			return err
		}),
		say(`for (\d+) (seconds|minutes|hours) (.+)`, func(s *stage, a []string) error {
			for limit := s.clock + span(a); s.clock < limit; {
				if err := s.play(a[2]); err != nil {
					return fmt.Errorf("at %v: %w", s.clock, err)
				}
				if err := s.pass(250 * time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func theFacts() []phrase {
	return []phrase{
		say(`WHO holds with #(\d+)`, func(s *stage, a []string) error {
			h, err := s.hold(a[0], a[1], "to hold with")
			if err == nil && (!h.Confirmed || h.Lapsed) {
				return fmt.Errorf("expected %s to hold with #%s, but %s", a[0], a[1], s.where(a[0]))
			}
			return err
		}),
		say(`WHO is granted #(\d+)`, func(s *stage, a []string) error {
			h, err := s.hold(a[0], a[1], "to be granted")
			if err == nil && h.Confirmed {
				return fmt.Errorf("expected %s not to have confirmed #%s, but %s", a[0], a[1], s.where(a[0]))
			}
			return err
		}),
		say(`WHO's hold #(\d+) has lapsed`, func(s *stage, a []string) error {
			h, err := s.hold(a[0], a[1], "to have lapsed with")
			if err == nil && !h.Lapsed {
				return fmt.Errorf("expected hold #%s to have lapsed, but %s", a[1], s.where(a[0]))
			}
			return err
		}),
		say(`WHO waits, (\d+)(?:st|nd|rd|th) in line`, func(s *stage, a []string) error { return s.line(a, false) }),
		say(`WHO is skipped, (\d+)(?:st|nd|rd|th) in line`, func(s *stage, a []string) error { return s.line(a, true) }),
		say(`WHO is not there`, func(s *stage, a []string) error {
			if got := s.where(a[0]); got != a[0]+" is not there" {
				return fmt.Errorf("expected %s neither to hold nor to wait, but %s", a[0], got)
			}
			return nil
		}),
		say(`nobody holds`, func(s *stage, a []string) error {
			if len(s.state.Holds) > 0 {
				return fmt.Errorf("expected nobody to hold, but %s", s.describe())
			}
			return nil
		}),
		say(`nobody waits`, func(s *stage, a []string) error {
			if len(s.state.Queue) > 0 {
				return fmt.Errorf("expected nobody to wait, but %s", s.describe())
			}
			return nil
		}),
		say(`(\d+) wait`, func(s *stage, a []string) error {
			if n := strconv.Itoa(len(s.state.Queue)); n != a[0] {
				return fmt.Errorf("expected %s to wait, but %s do", a[0], n)
			}
			return nil
		}),
		say(`WHO is told: (done|granted|queued|locked|stale|queue full)`, func(s *stage, a []string) error {
			if got := answers[s.get(a[0]).answer]; got != a[1] {
				return fmt.Errorf("expected %s to be told %q, but it was %q", a[0], a[1], got)
			}
			return nil
		}),
		say(`#(\d+) ended: (\w+)`, func(s *stage, a []string) error {
			return s.was(a[0], "to have ended as "+a[1], func(e end) string { return e.reason }, a[1])
		}),
		say(`#(\d+) is still held`, func(s *stage, a []string) error {
			return s.was(a[0], "to be held still", func(e end) string { return e.reason }, "")
		}),
		say(`#(\d+) was over (\d+) seconds after the story began`, func(s *stage, a []string) error {
			return s.was(a[0], "to have been over after "+a[1]+" s", func(e end) string { return strconv.Itoa(int(e.over.Sub(epoch).Seconds())) }, a[1])
		}),
		say(`(\d+) changes? of holder (?:was|were) recorded`, func(s *stage, a []string) error {
			if n := strconv.Itoa(len(s.history)); n != a[0] {
				return fmt.Errorf("expected %s changes of holder, but there were %s", a[0], n)
			}
			return nil
		}),
		say(`(\d+) (?:person has|people have) been let in`, func(s *stage, a []string) error {
			if n := strconv.Itoa(len(s.fences)); n != a[0] {
				return fmt.Errorf("expected %s grants, but there were %s", a[0], n)
			}
			return nil
		}),
		say(`the article is at version (\w+)`, func(s *stage, a []string) error {
			if s.state.Version != a[0] {
				return fmt.Errorf("expected version %s, but it is %q", a[0], s.state.Version)
			}
			return nil
		}),
	}
}

func span(a []string) time.Duration {
	n, _ := strconv.Atoi(a[0])
	return time.Duration(n) * map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour}[a[1]]
}

func (s *stage) play(line string) error {
	for _, table := range [][]phrase{acts, facts} {
		for _, p := range table {
			if m := p.form.FindStringSubmatch(line); m != nil {
				return p.do(s, m[1:])
			}
		}
	}
	return fmt.Errorf("nothing in this language reads so")
}

func (s *stage) hold(id, number, expected string) (Hold, error) {
	for _, h := range s.state.Holds {
		if h.Session == id && h.Fence == s.fence(number) {
			return h, nil
		}
	}
	return Hold{}, fmt.Errorf("expected %s %s #%s, but %s", id, expected, number, s.where(id))
}

func (s *stage) line(a []string, absent bool) error {
	for i, w := range s.state.Queue {
		if w.Session == a[0] && strconv.Itoa(i+1) == a[1] && bool(w.Absent) == absent {
			return nil
		}
	}
	return fmt.Errorf("expected %s at %s in line, skipped: %v, but %s", a[0], a[1], absent, s.where(a[0]))
}

func (s *stage) was(number, expected string, get func(end) string, want string) error {
	n, _ := strconv.Atoi(number)
	if n > len(s.fences) {
		return fmt.Errorf("expected #%s %s, but there is no #%s", number, expected, number)
	}
	e := s.ends[s.fences[n-1]]
	if got := get(e); got != want {
		return fmt.Errorf("expected #%s %s, but it ended as %q at %v", number, expected, e.reason, e.over.Sub(epoch))
	}
	return nil
}

package web_test

import (
	"testing"

	"github.com/editlock/editlock/internal/again"
)

// What looks at appearance, at files or at spelling mistakes, and opens no connection or only in passing.
const withoutFrames = `^(TestWithoutWebSocket|TestFallback.*|TestNeverIdle|TestUnits|TestDistIsBuilt|TestHandler|TestClassicScript|TestImportWithoutDocument` +
	`|TestLooks|TestAnnouncements|TestUnknownValues|TestResourceMissing|TestStrictContentPolicy|TestScriptInNameIsText)$`

// Where a proxy lets no WebSocket through, pages do the same: over a stream of events everything that
// opens a connection, over long polls what depends on how connections begin, end, break and come back.
// Faults: W6
func TestWithoutWebSocket(t *testing.T) {
	t.Parallel()
	for way, run := range map[string]string{
		"stream": `^Test`,
		"poll": `^Test(CloseCodes|ProtocolErrorIsNotRepeated|NonceOfARepeat|Watchdog|BeliefComesBackByResumeOnly|Move|ResumeRefused|OldPushIsIgnored` +
			`|StaleConfirm|SaveAndCloseReleases|DuplicatedTab|FramesKeepTheirOwn|ThawedPage.*|HiddenPageHolds|BackAndForward|Offline|ClockJump` +
			`|PausedPageDoesNotSave|CrashedTab.*|NamedFrameResumes|ReloadResumes|InsecurePage|LetInWithFreshContent|CutOffForLong|ListAfterPassingError)$`,
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			again.Over(t, way, run, withoutFrames, 25)
		})
	}
}

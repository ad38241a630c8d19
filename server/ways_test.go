package server_test

import (
	"testing"

	"github.com/editlock/editlock/internal/again"
)

// withoutFrames are the tests whose clients write no messages, or write the frames of a WebSocket by hand: over a stream they
// would be the same again, or nothing.
const withoutFrames = `^(TestWithoutWebSocket|TestStream.*|TestPoll.*|TestHandshake|TestHandshakesOfOneAddress|TestPacesAreForgotten` +
	`|TestHostileFrames|TestFragments|TestSlowReader|TestReaderThatNeverReads|TestBurstReachesReader|TestLocalSocket|TestMountedOverTLS` +
	`|TestAccessTokenAttacks|TestOneKeyNeedsNoName|TestWhatIsWrongWithAToken|TestAccessMustBeConfigured|TestRights|TestNamesThatPretend` +
	`|TestRefusedToken.*|TestPublishedKeys.*|TestUnknownKeys.*|TestOpenJWKSRefuses|TestReconnects|TestOutbox.*|TestUniformAnswers|TestOptionsThatAreRefused` +
	`|TestProgram.*|TestFiftyProgramsAtOnce|TestAnswerThatWasLost|TestLimitsOfPrograms|Test.*OverHTTP|TestDocument.*|TestBadBodies|TestRefusalKeepsTheConnection` +
	`|TestPagesAndSmuggledHeaders|TestUnknownAddresses|TestChecks|TestCheckMeetsAHandOver|TestHistoryEnds|TestCancelWhileARequestWaits|TestPanicInARequest)$`

// Without WebSocket everything is the same: the tests whose clients speak in frames run once more over a stream of events, and over
// long polls.
// Faults: W6
func TestWithoutWebSocket(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"stream", "poll"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			again.Over(t, way, "^Test", withoutFrames, 30)
		})
	}
}

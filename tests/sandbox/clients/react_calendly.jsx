// The published `react-calendly`, unchanged, in a page of its own. `show` puts its InlineWidget there with the
// properties given; what its useCalendlyEventListener hands over is kept in `heard`, with where it came from.
import { createRoot } from 'react-dom/client'
import { InlineWidget, useCalendlyEventListener } from 'react-calendly'

window.heard = []
const keep = (by) => (message) => window.heard.push({ by, origin: message.origin, data: message.data })
const NAMES = ['ProfilePageViewed', 'EventTypeViewed', 'DateAndTimeSelected', 'EventScheduled', 'PageHeightResize']
const listeners = Object.fromEntries(NAMES.map((name) => [`on${name}`, keep(`on${name}`)]))

function Embedded(properties) {
  useCalendlyEventListener(listeners)
  return <InlineWidget {...properties} />
}

window.show = (properties) => createRoot(document.getElementById('root')).render(<Embedded {...properties} />)

"""What a person takes along: the open network on the open picture as one HTML file that needs no server."""

from __future__ import annotations

from convitro.explorer.parameters import Parameters
from convitro.explorer.session import Session
from convitro.report import Runs, full_report
from convitro.report.sections import Section, origin_section
from convitro.report.study import cost_sections

LONGEST_ADDRESS = 4000  # the view "Play" writes whole kernels into it


def session_page(session: Session, parameters: Parameters) -> str:
    """The network on a picture as a page; the open filter is in it whatever the size of the network.

    Raises:
        RequestProblem: 400 or 404, a parameter does not fit.
    """
    picture, anatomy = session.anatomy(parameters.text("picture"))
    opening = parameters.text("opening", LONGEST_ADDRESS)
    wanted = {}
    if parameters.text("layer"):
        layer = parameters.layer(anatomy)
        wanted[layer.name] = [parameters.filter(layer)]
    runs = Runs([anatomy], session.fields, session.summary)
    with session.running:
        costs = cost_sections(session.network)
    origin = origin_section(session.network)
    sections = [*costs, Section(origin.title, origin.content, origin.html, wanted)]
    pictures = [(picture.name, session.pixels(picture))]
    return full_report(session.network, pictures, sections, runs=runs, opening=opening).html

"""What a person takes along: the open network on the pictures that are looked at, as one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convitro.explorer.gathered import Dissected, Opened
from convitro.explorer.parameters import Parameters
from convitro.explorer.problems import RequestProblem
from convitro.explorer.session import Session
from convitro.explorer.training import MOST_EPOCHS, Following
from convitro.report import Counted, Runs, full_report
from convitro.report.documents import answered
from convitro.report.sections import Section, origin_section
from convitro.report.study import cost_sections
from convitro.view import Document

LONGEST_ADDRESS = 4000  # the view "Play" writes whole kernels into it
MOST_BESIDE = 3  # pictures that the page compares with the open one


def session_page(following: Following, parameters: Parameters) -> str:
    """The network on the open picture and on those beside it, with all that is known of the open filter.

    Raises:
        RequestProblem: 400 or 404, a parameter does not fit.
    """
    session = following.session
    opening = parameters.text("opening", LONGEST_ADDRESS)
    pictures = pictures_of(session, parameters)
    opened = opened_filter(following, pictures, parameters)
    runs = known(session, pictures, {} if opened is None else opened.documents())
    costs = cost_sections(session.network, runs.counted)
    origin = origin_section(session.network)
    wanted = {} if opened is None else {opened.layer: [opened.filter]}  # whatever the size of the network
    sections = [*costs, Section(origin.title, origin.content, origin.html, wanted)]
    shown = [(picture.name, session.pixels(picture)) for picture, _ in pictures]
    return full_report(session.network, shown, sections, runs=runs, opening=opening).html


def pictures_of(session: Session, parameters: Parameters) -> list[Dissected]:
    """The open picture, and those beside it; of these one that has been forgotten meanwhile is left out."""
    found = [session.anatomy(parameters.text("picture"))]
    for id in parameters.names("compare", MOST_BESIDE):
        try:
            picture, anatomy = session.anatomy(id)
        except RequestProblem:
            continue
        if all(picture.id != other.id for other, _ in found):
            found.append((picture, anatomy))
    return found


def opened_filter(
    following: Following, pictures: Sequence[Dissected], parameters: Parameters
) -> Opened | None:
    """The filter that the page shows; None where it shows no layer."""
    if not parameters.text("layer"):
        return None
    layer = parameters.layer(pictures[0][1])
    filter, unit = parameters.filter(layer), parameters.pixel(layer)
    epoch = parameters.integer("epoch", MOST_EPOCHS) if parameters.text("epoch") else None
    return Opened(following, pictures, layer.name, filter, unit, epoch)


def known(session: Session, pictures: Sequence[Dissected], more: Mapping[str, Document]) -> Runs:
    """What the session knows of its network on these pictures."""
    counted = Counted(session.summary, session.fields)  # both run the network, each by itself
    with session.running:
        answers = [answered(session.network, session.pixels(picture)) for picture, _ in pictures]
    ids = [picture.id for picture, _ in pictures]
    return Runs([anatomy for _, anatomy in pictures], counted, answers, ids, more)

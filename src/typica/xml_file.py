"""Reading XML that may be damaged or hostile: no entity, no network, no document type."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from .sources import Fault

__all__ = ["parse_xml"]

_MAX_BYTES = 64_000_000


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise Fault(
                f"more than {_MAX_BYTES // 1_000_000} MB of XML",
                "Give one file per page.",
            )
        return file.read_bytes()
    except OSError as error:
        raise Fault(f"cannot be read ({error.strerror})", "Check the file.") from error


def parse_xml(file: Path) -> etree._Element:
    """Parse an XML file.

    Arguments:
        file: The file.

    Returns:
        The root element; comments and processing instructions are left out.

    Raises:
        Fault: If the file is unreadable, malformed, or declares a document type or an entity.
    """
    data = _bytes(file)
    # Zero bytes are dropped so that UTF-16 cannot hide the declaration.
    plain = data.replace(b"\0", b"").upper()
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        raise _declares()
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Fault(f"malformed XML ({error})", "Export it again.") from error
    if root is None:
        raise Fault("malformed XML (no root element)", "Export it again.")
    # Another encoding could still have hidden it.
    if root.getroottree().docinfo.internalDTD is not None:
        raise _declares()
    return root


def _declares() -> Fault:
    return Fault(
        "declares a document type or an entity, which is refused",
        "Remove the DOCTYPE: none is needed.",
    )

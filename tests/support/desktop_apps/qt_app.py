"""A Qt 6 program that logs every effect it notices as a JSON line, as `gtk3_app.py` does. It runs on the Python that has PySide6."""

import argparse
import json
import sys
from pathlib import Path

from PySide6 import QtCore, QtWidgets


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True)
    parser.add_argument("--app-id", default="bridge-qt")
    parser.add_argument("--grid", type=int, default=0)
    arguments = parser.parse_args()
    log = Log(arguments.log)
    app = QtWidgets.QApplication([arguments.app_id])
    app.setApplicationName(arguments.app_id)
    app.setDesktopFileName(arguments.app_id)
    window = Window(log, arguments.grid)
    window.show()
    QtCore.QTimer.singleShot(0, lambda: log.write("ready"))
    return app.exec()


class Log:
    def __init__(self, path: str) -> None:
        self.file = Path(path).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - open as long as the program runs

    def write(self, event: str, **facts: object) -> None:
        self.file.write(json.dumps({"event": event, **facts}, ensure_ascii=False) + "\n")


class Window(QtWidgets.QMainWindow):
    def __init__(self, log: Log, grid: int) -> None:
        super().__init__()
        self.log = log
        self.clicks = 0
        self.setWindowTitle("Qt Test")
        self.resize(900, 600)
        body = QtWidgets.QWidget()
        self.setCentralWidget(body)
        column = QtWidgets.QVBoxLayout(body)
        self.label = QtWidgets.QLabel("count: 0")
        column.addWidget(self.label)
        for title, action in (
            ("Increment", self.increment),
            ("Silent", lambda: log.write("silent")),
            ("Ask", self.ask),
        ):
            button = QtWidgets.QPushButton(title)
            button.clicked.connect(action)
            column.addWidget(button)
        disabled = QtWidgets.QPushButton("Disabled")
        disabled.setEnabled(False)
        column.addWidget(disabled)
        check = QtWidgets.QCheckBox("Check me")
        check.toggled.connect(lambda on: log.write("check", on=on))
        column.addWidget(check)
        entry = QtWidgets.QLineEdit()
        entry.setAccessibleName("name entry")
        entry.setPlaceholderText("type here")
        entry.textChanged.connect(lambda text: log.write("entry", text=text))
        column.addWidget(entry)
        secret = QtWidgets.QLineEdit()
        secret.setEchoMode(QtWidgets.QLineEdit.EchoMode.Password)
        secret.setAccessibleName("password entry")
        secret.textChanged.connect(lambda text: log.write("secret", text=text))
        column.addWidget(secret)
        notes = QtWidgets.QPlainTextEdit()
        notes.setAccessibleName("notes")
        notes.textChanged.connect(lambda: log.write("notes", text=notes.toPlainText()))
        column.addWidget(notes)
        if grid:
            column.addLayout(_grid(grid))

    def increment(self) -> None:
        self.clicks += 1
        self.label.setText(f"count: {self.clicks}")
        self.log.write("click", count=self.clicks)

    def ask(self) -> None:
        buttons = QtWidgets.QMessageBox.StandardButton
        box = QtWidgets.QMessageBox(
            QtWidgets.QMessageBox.Icon.Question, "Confirm delete", "Delete everything?", buttons.Yes | buttons.No, self
        )
        box.setModal(True)
        box.buttonClicked.connect(lambda button: self.log.write("answer", button=button.text().replace("&", "")))
        box.open()
        self.log.write("asked")


def _grid(count: int) -> QtWidgets.QLayout:
    layout = QtWidgets.QGridLayout()
    for number in range(count):
        kinds = (QtWidgets.QPushButton, QtWidgets.QLabel, QtWidgets.QLineEdit, QtWidgets.QCheckBox)
        layout.addWidget(kinds[number % 4](f"cell {number}"), number // 20, number % 20)
    return layout


if __name__ == "__main__":
    sys.exit(main())

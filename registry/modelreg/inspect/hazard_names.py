"""The names that have no place in a model: what reaches files, programs, the network, or the insides of Python.

Lists, not patterns, so that each refusal can be traced to a source.  They are written down and not asked of the
running interpreter (``sys.stdlib_module_names``), because facts must be the same on every machine.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PYTHON_MODULES = _words("""
BaseHTTPServer CGIHTTPServer Cookie HTMLParser Queue SimpleHTTPServer SocketServer StringIO UserDict __future__ _abc
_aix_support _android_support _ast _asyncio _bisect _blake2 _bootsubprocess _bz2 _codecs _codecs_cn _codecs_hk
_codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _collections _collections_abc _colorize _compat_pickle _compression
_contextvars _crypt _csv _ctypes _curses _curses_panel _datetime _dbm _decimal _elementtree _frozen_importlib
_frozen_importlib_external _functools _gdbm _hashlib _heapq _imp _interpchannels _interpqueues _interpreters _io
_ios_support _json _locale _lsprof _lzma _markupbase _md5 _msi _multibytecodec _multiprocessing _opcode
_opcode_metadata _operator _osx_support _overlapped _pickle _posixshmem _posixsubprocess _py_abc _pydatetime
_pydecimal _pyio _pylong _pyrepl _queue _random _scproxy _sha1 _sha2 _sha256 _sha3 _sha512 _signal _sitebuiltins
_socket _sqlite3 _sre _ssl _stat _statistics _string _strptime _struct _suggestions _symtable _sysconfig _thread
_threading_local _tkinter _tokenize _tracemalloc _typing _uuid _warnings _weakref _weakrefset _winapi _wmi _zoneinfo
abc aifc annotationlib antigravity anydbm argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb
binascii binhex bisect bz2 cPickle cProfile cStringIO calendar cgi cgitb chunk cmath cmd code codecs codeop
collections colorsys commands compileall compiler compression concurrent configparser contextlib contextvars
cookielib copy copy_reg copyreg crypt csv ctypes curses dataclasses datetime dbm decimal difflib dircache dis
distutils doctest dumbdbm dummy_threading email encodings ensurepip enum errno exceptions faulthandler fcntl filecmp
fileinput fnmatch formatter fpectl fractions ftplib functools future_builtins gc genericpath getopt getpass gettext
glob graphlib grp gzip hashlib heapq hmac hotshot html htmlentitydefs htmllib http httplib idlelib ihooks imaplib
imghdr imp importlib imputil inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma
macpath macurl2path mailbox mailcap marshal math md5 mhlib mimetools mimetypes mimify mmap modulefinder msilib
msvcrt multifile multiprocessing mutex netrc new nis nntplib nt ntpath nturl2path numbers opcode operator optparse
os os2emxpath ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform plistlib popen2 poplib posix
posixfile posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re
readline repr reprlib resource rexec rfc822 rlcompleter robotparser runpy sched secrets select selectors sets
sgmllib sha shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile
sre_constants sre_parse ssl stat statistics statvfs string stringprep struct subprocess sunau symbol symtable sys
sysconfig syslog tabnanny tarfile telnetlib tempfile termios textwrap this thread threading time timeit tkinter
toaiff token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest
urllib urllib2 urlparse user uu uuid venv warnings wave weakref webbrowser whichdb winreg winsound wsgiref xdrlib
xml xmllib xmlrpc xmlrpclib zipapp zipfile zipimport zlib zoneinfo
""")
"""Python's own modules but ``builtins``: ``sys.stdlib_module_names`` of CPython 3.10 to 3.13, and 2.7's and 3.14's own.

Keras 3.0 to 3.8 imports whichever a configuration names (CVE-2025-1550)."""

PROGRAM_PACKAGES = _words("""
absl aiohttp boto3 cffi cloudpickle cython Cython dill django docker execnet fabric flask gdown gevent git google grpc
h5py httpx importlib_metadata importlib_resources invoke ipykernel IPython jinja2 joblib jupyter jupyter_client mako
nbconvert nose notebook pandas paramiko pexpect pip pkg_resources plumbum psutil ptyprocess pytest requests ruamel
setuptools sh shellingham tornado twisted urllib3 virtualenv wget wheel yaml zmq
""")
"""Packages that start programs, unpickle, evaluate text or download, and hold no part of a model."""

LAMBDA_MODULES = _words("""
asyncio code codeop commands ctypes distutils ftplib http httplib imp importlib marshal multiprocessing nt os pathlib
pickle pip popen2 posix pty requests runpy setuptools shutil smtplib socket subprocess sys tempfile urllib urllib2
webbrowser
""")
"""Modules whose content must not become the globals of stored bytecode (``Lambda``'s ``module``, Keras 2.2 to 2.15).

Fewer than ``PYTHON_MODULES``: a function made by ``operator`` or ``functools`` says so there, and is harmless."""

BUILTIN_TYPES = _words("""
builtin_function_or_method bool bytes complex dict ellipsis float frozenset function int list method NoneType object
range set slice str tuple type
""")
"""What ``obj.__class__.__name__`` gives for values of Python's own types (``serialize_keras_object``, Keras 3.15)."""

UNSAFE_BUILTINS = _words("""
__build_class__ __import__ breakpoint compile copyright credits delattr dir eval exec execfile exit file getattr
globals help input license locals open quit raw_input reload setattr vars
""")

KERAS_FUNCTIONS = _words("""
audio_dataset_from_directory clear_session clone_model custom_object_scope deserialize_keras_object
enable_unsafe_deserialization extract_archive extract_open_archive from_json func_load get_custom_objects get_file
get_registered_object image_dataset_from_directory load_data load_img load_model load_weights load_weights_only
model_from_config model_from_json model_from_yaml model_to_dot plot_model register_keras_serializable run_eagerly
save_img save_model save_weights save_weights_only serialize_keras_object set_backend set_session
text_dataset_from_directory
""")
"""Functions of Keras that load, save, download or change settings, wherever they are reached.

The last parts of ``NON_MODELING_APIS`` (``keras/src/saving/serialization_lib.py``, 3.15.1) and their like in older
releases and under ``keras.src``."""

KERAS_CLASSES = _words("""
CustomObjectScope ExportArchive KerasFileEditor LambdaCallback
""")

KERAS_TOOL_PARTS = _words(
    "applications callbacks config datasets distribution export preprocessing saving utils visualization wrappers"
)
"""Parts whose functions are tools, but for ``KERAS_TENSOR_TOOLS``; classes in them may be parts of models
(``keras.src.applications.convnext.LayerScale``), unless ..."""

KERAS_CLOSED_PARTS = _words("callbacks config datasets export")
"""... the part holds nothing that a model is made of."""

KERAS_TENSOR_TOOLS = _words("""
array_to_img img_to_array is_keras_tensor normalize pack_x_y_sample_weight pad_sequences smart_resize
standardize_dtype to_categorical unpack_x_y_sample_weight
""")

LOADING_CLASSES = {
    "TFSMLayer": "loads another SavedModel from the path {what}",
    "TorchModuleWrapper": "unpickles a PyTorch module",
}
"""CVE-2026-1462 and CVE-2025-49655."""

LOOKUP_CLASSES = _words("IndexLookup IntegerLookup StringLookup TextVectorization")
"""Keras takes a ``vocabulary`` that is a text for the name of a file (``index_lookup.py``; CVE-2025-12058)."""

TENSORFLOW_FUNCTIONS = _words("""
Checkpoint FileIO FixedLengthRecordDataset GFile Open SqlDataset TFRecordDataset TFRecordWriter TextLineDataset
append_string_to_file copy create_file_writer delete_recursively eager_py_func enable_check_numerics
enable_dump_debug_info get_file immutable_const import_graph_def import_meta_graph load_dataset
load_file_system_library load_library load_op_library load_pluggable_device_library load_v2
match_filenames_once matching_files mkdir makedirs numpy_function py_func py_function
read_file read_file_to_string remove rename rmtree save_dataset walk write_file write_string_to_file
""")
"""Functions of TensorFlow that touch files, load libraries or call Python; ``tf.io`` has others that do not."""

TENSORFLOW_PARTS = _words("gfile load_library platform saved_model script_ops file_io")
"""Parts of TensorFlow's modules and API names that hold nothing else."""

NUMPY_FUNCTIONS = _words("""
DataSource ctypeslib fromfile fromregex genfromtxt load load_library loads loadtxt memmap open_memmap runstring rundocs
save savetxt savez savez_compressed tofile
""")
NUMPY_PARTS = _words("ctypeslib distutils f2py npyio testing")

TORCH_FUNCTIONS = _words("compile import_ir_module load load_library load_state_dict_from_url save")
TORCH_PARTS = _words("distributed hub jit multiprocessing package serialization utils")

CODE_NAMES = _words("""
__bases__ __base__ __builtin__ __builtins__ __class__ __closure__ __code__ __dict__ __getattribute__ __globals__
__import__ __loader__ __mro__ __reduce__ __reduce_ex__ __spec__ __subclasses__ __subclasshook__ breakpoint cPickle
check_call check_output cloudpickle codecs co_code commands ctypes delattr dill exec execfile execl execle execlp execv
execve execvp exec_module f_back f_builtins f_globals fdopen ftplib func_code func_globals getattr getoutput
getstatusoutput gi_frame globals httplib imp import_module importlib joblib load_module locals marshal mkfifo
multiprocessing numpy_function os pickle pip popen popen2 Popen posix posix_spawn pty py_func py_function raw_input
read_file requests rmtree runpy runstring setattr shelve shutil smtplib socket socketserver spawnl spawnv startfile
subprocess sys system telnetlib tempfile tracemalloc urllib urllib2 urlopen urlretrieve vars webbrowser winreg
write_file xmlrpc
""") | (TENSORFLOW_FUNCTIONS - {"Checkpoint", "Open", "copy", "remove", "rename", "walk"})
"""Names that bytecode needs to import modules, run programs, open files or take objects apart; arithmetic needs none.

``copy``, ``rename`` and their like are left out: tensors and lists have methods of those names."""

CODE_GLOBALS = _words("compile eval file input open")
"""Names that are harmless as attributes (``K.eval``, ``model.compile``) and are told where they are looked up alone."""
